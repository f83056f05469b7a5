"""Runs Firefox for Playwright, and answers what Playwright asks of it that a Firefox for years does not know yet.

Playwright speaks WebDriver BiDi with it, takes its newest commands for given, and gives up where one is refused.
Run by ``browsing.browsing_firefox`` in Firefox's place: ``python firefox_relay.py PATH ARGUMENTS``.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from contextlib import suppress
from functools import partial

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

UNKNOWN = "unknown command"
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


async def relay(client: ServerConnection, firefox: str) -> None:
    """Pass messages on in both directions. A command that Firefox does not know has no effect."""
    async with connect(f"{firefox}/session", max_size=None, compression=None) as browser:

        async def there() -> None:
            async for message in client:
                await browser.send(message)
            await browser.close()

        going = asyncio.create_task(there())
        with suppress(ConnectionClosed):
            async for message in browser:
                answer = json.loads(message)
                if answer.get("type") == "error" and answer.get("error") == UNKNOWN:
                    message = json.dumps({"type": "success", "id": answer["id"], "result": {}})
                await client.send(message)
        going.cancel()


async def run(path: str, *arguments: str) -> int:
    """Run Firefox, and tell its address as ours."""
    process = await asyncio.create_subprocess_exec(path, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    async for line in process.stderr:
        text = line.decode("utf-8", "replace")
        found = LISTENS.search(text)
        if found is None:
            sys.stderr.write(text)
            continue
        server = await serve(partial(relay, firefox=found[1]), "127.0.0.1", 0, max_size=None, compression=None)
        port = server.sockets[0].getsockname()[1]
        sys.stderr.write(f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n")
        sys.stderr.flush()
        break
    async for _ in process.stderr:  # else it would stop once the pipe is full
        pass
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(*sys.argv[1:])))
