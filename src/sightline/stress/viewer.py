"""A viewer in a process of its own: it takes pictures with results, as a page does, and records when they came."""

from __future__ import annotations

import time

from sightline.client import connect, links
from sightline.client.answers import Item, Result
from sightline.client.homes import Homes
from sightline.core.errors import SightlineError
from sightline.stress import child
from sightline.stress.plan import ServerReady, Stop, Viewed, ViewJob


class StressViewer:
    """Record of what came; the receiver of the link's callbacks."""

    def __init__(self, stream: str) -> None:
        self.seen = Viewed(stream, 0, 0, [], 0.0)
        self._last: int | None = None

    def receive(self, answer: Item) -> None:
        """A picture with its result."""
        if not isinstance(answer, Result):
            return
        self.seen.seen += 1
        self.seen.skipped += 0 if self._last is None else max(0, answer.seq - self._last - 1)
        self._last = answer.seq
        # The publisher runs on this machine and shares its clock.
        self.seen.latency_ms.append(round(time.time() * 1000 - answer.timestamp, 2))

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Record that the server refused the view."""
        self.lost(error)

    def asked(self, wish: links.Wish) -> None:
        """Ignore requests, which concern publishers only."""

    def lost(self, error: SightlineError) -> None:
        """Record that the connection ended."""
        self.seen.error = self.seen.error or error.message


async def work(parent: child.Parent) -> None:
    """Connect, watch until told to stop, report."""
    job = await parent.hear(ViewJob)
    viewer = StressViewer(job.stream)
    homes = Homes([links.Address(job.url, token=job.token, ca=job.ca)])
    link = await connect.subscribing(homes, job.stream, pictures=True)(viewer)
    try:
        parent.tell(ServerReady())
        cpu = time.process_time()
        await parent.hear(Stop)
        viewer.seen.cpu_s = time.process_time() - cpu
        parent.tell(viewer.seen)
    finally:
        await link.close()


if __name__ == "__main__":
    child.main(work)
