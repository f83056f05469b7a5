"""Tell a phone or a chat of an alert: the program of an output of kind "command".

    python alert.py ntfy https://ntfy.sh/my-topic        NTFY_TOKEN, where the server wants one
    python alert.py telegram 123456789                   TELEGRAM_TOKEN, of the bot; 123456789 is the chat
    python alert.py discord                              DISCORD_WEBHOOK, the webhook's address

The event comes on standard input, and its picture is the file that SIGHTLINE_PICTURE names. Secrets are taken from the
environment, as others may read a program's arguments. Only Python's own library is needed.
"""

import json
import os
import sys
import urllib.request
from email.header import Header
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote


def main(service: str, *where: str) -> None:
    """Read the event and tell that service."""
    event = json.loads(sys.stdin.read())
    path = os.environ.get("SIGHTLINE_PICTURE")
    picture = Path(path).read_bytes() if path else None
    {"ntfy": ntfy, "telegram": telegram, "discord": discord}[service](*where, words=words(event), picture=picture)


def words(event: dict) -> str:
    """Return an event as a sentence."""
    place = f" in {event['zone']}" if event.get("zone") else ""
    return f"{event['stream']}: {event.get('class_name') or event['rule']}{place}"


def ntfy(topic: str, *, words: str, picture: bytes | None) -> None:
    """PUT the picture, with the words in headers, or else the words."""
    headers = {"Title": "Sightline", "Tags": "camera"}
    if token := os.environ.get("NTFY_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    if picture is not None:
        headers |= {"Message": Header(words, "utf-8").encode(), "Filename": "alert.jpg"}
    send(topic, picture or words.encode(), headers, "PUT")


def telegram(chat: str, *, words: str, picture: bytes | None) -> None:
    """Have a bot send the picture with the words below it, or the words."""
    api = os.environ.get("TELEGRAM_API", "https://api.telegram.org")
    bot = f"{api}/bot{quote(os.environ['TELEGRAM_TOKEN'], safe=':')}"
    if picture is None:
        send(f"{bot}/sendMessage", *form({"chat_id": chat, "text": words}))
    else:
        send(f"{bot}/sendPhoto", *form({"chat_id": chat, "caption": words}, {"photo": picture}))


def discord(*, words: str, picture: bytes | None) -> None:
    """Post to a channel's webhook."""
    files = {} if picture is None else {"files[0]": picture}
    send(os.environ["DISCORD_WEBHOOK"], *form({"payload_json": json.dumps({"content": words})}, files))


def form(fields: dict[str, str], files: dict[str, bytes] | None = None) -> tuple[bytes, dict[str, str]]:
    """Return multipart/form-data and its header."""
    boundary, body = token_hex(16), b""
    for name, value in fields.items():
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, data in (files or {}).items():
        head = f'Content-Disposition: form-data; name="{name}"; filename="alert.jpg"\r\nContent-Type: image/jpeg'
        body += f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def send(url: str, body: bytes, headers: dict[str, str], method: str = "POST") -> None:
    """Send a request. Raises where the service refuses it: Sightline counts the status."""
    request = urllib.request.Request(url, body, {"User-Agent": "sightline-alert"} | headers, method=method)
    urllib.request.urlopen(request, timeout=20).close()


if __name__ == "__main__":
    main(*sys.argv[1:])
