"""Publish the pictures of a folder and print what is found in each.

sightline serve --tcp-port 9000
python examples/push_folder.py photos
"""

import sys
from pathlib import Path

from sightline import Client
from sightline.client import Dropped


def push(folder: Path, url: str) -> None:
    """One line for each picture."""
    files = sorted(folder.glob("*.jpg"))
    with Client(url) as client:
        for answer in client.publish("folder", (file.read_bytes() for file in files), pending=1):
            name = files[answer.seq].name
            if isinstance(answer, Dropped):
                print(f"{name}: dropped, {answer.reason} {answer.message}")
            else:
                print(f"{name}: {', '.join(d.class_name for d in answer.detections) or 'nothing'}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or not any(Path(sys.argv[1]).glob("*.jpg")):
        sys.exit(f"{__doc__}\nName a folder with .jpg files.")
    push(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "tcp://127.0.0.1:9000")
