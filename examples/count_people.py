"""Subscribe to a stream and print how many people are in the picture, whenever that changes.

sightline serve --tcp-port 9000
python examples/count_people.py door
"""

import sys

from sightline import Client


def count(stream: str, url: str) -> None:
    """Runs until Ctrl-C, also while nobody publishes and while the server is away."""
    before = -1
    with Client(url) as client:
        for result in client.subscribe(stream):
            people = sum(detection.class_name == "person" for detection in result.detections)
            if people != before:
                print(f"frame {result.seq}: {people} people", flush=True)
                before = people


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{__doc__}\nName a stream.")
    count(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "tcp://127.0.0.1:9000")
