"""A publisher in a process of its own: it sends by the clock, whatever comes back, and records the answers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from sightline.client import connect, links
from sightline.client.answers import Dropped, Item, Result
from sightline.client.homes import Homes
from sightline.core.errors import SightlineError
from sightline.stress import child
from sightline.stress.pictures import packed
from sightline.stress.plan import Published, PublishJob, ServerReady, Start
from sightline.wire.requests import FrameHead

GRACE_S = 20.0
"""Seconds after the planned end in which overdue frames are still sent."""
PATIENCE_S = 10.0
"""Seconds without an answer after which the missing ones are given up."""


class StressPublisher:
    """Record of what was sent and what came back; the receiver of the link's callbacks."""

    def __init__(self, job: PublishJob) -> None:
        self._job = job
        self._start = 0.0
        self._pending: dict[int, float] = {}
        """Send time of each frame that has no answer yet."""
        self._heard = time.monotonic()
        self._changed = asyncio.Event()
        self._dropped: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.seen = Published(job.stream, [], [], [], [], [], [], 0, {}, {}, 0, 0, 0.0)

    async def send(self, link: links.Link, pictures: list[bytes], start: float) -> None:
        """Send every frame at its time, or at once if that is past. Stops early if the connection ends or GRACE_S is
        over.
        """
        self._start, self._cpu = start, time.process_time()
        schedule = self._job.schedule
        end = start + schedule.due(schedule.frames) + GRACE_S
        for seq in range(schedule.frames):
            due = start + schedule.due(seq)
            await asyncio.sleep(max(0.0, due - time.monotonic()))  # even for 0, so that answers are read
            now = time.monotonic()
            if self.seen.error or now > end:
                return
            self.seen.sent_s.append(round(now - start, 4))
            self.seen.late_ms.append(round((now - due) * 1000, 2))
            self._pending[seq] = now
            head = FrameHead(self._job.stream, seq, time.time() * 1000)
            await link.send(head, pictures[(self._job.first + seq) % len(pictures)])

    async def settle(self) -> Published:
        """Wait for the missing answers, then return the report."""
        self._heard = time.monotonic()
        while self._pending and not self.seen.error:
            self._changed.clear()
            try:
                async with asyncio.timeout(self._heard + PATIENCE_S - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                break
        self.seen.dropped, self.seen.refused = dict(self._dropped), dict(self._refused)
        self.seen.unanswered = len(self._pending)
        self.seen.cpu_s = time.process_time() - self._cpu
        return self.seen

    # Callbacks of the link

    def receive(self, answer: Item) -> None:
        """A frame's result, or a notice that it has none."""
        now = time.monotonic()
        if not isinstance(answer, (Result, Dropped)) or not self._take(answer.seq, now):
            return
        if isinstance(answer, Result):
            self.seen.result_s.append(round(now - self._start, 4))
            self.seen.latency_ms.append(round((now - self._sent) * 1000, 2))
            self.seen.server_ms.append(round(answer.stages.get("queue", 0.0) + answer.processing_time_ms, 2))
            self.seen.reused += answer.reused
        else:
            self.seen.dropped_s.append(round(now - self._start, 4))
            self._dropped[answer.reason] += 1

    def refused(self, error: SightlineError, seq: int | None) -> None:
        """Record that the server refused a frame, or the whole stream (``seq`` None)."""
        if seq is None:
            self.lost(error)
        elif self._take(seq, time.monotonic()):
            self._refused[error.code] += 1
            if error.code not in ("bad_image", "too_large"):  # other errors would refuse all later frames too
                self.lost(error)

    def asked(self, wish: links.Wish) -> None:
        """Ignore requests for other pictures: the schedule is what is tested."""

    def lost(self, error: SightlineError) -> None:
        """Record that the connection ended."""
        self.seen.error = self.seen.error or error.message
        self._changed.set()

    def _take(self, seq: int, now: float) -> bool:
        sent = self._pending.pop(seq, None)
        if sent is None:
            self.seen.twice += 1
            return False
        self._sent, self._heard = sent, now
        self._changed.set()
        return True


async def work(parent: child.Parent) -> None:
    """Connect, wait for the start, publish, report."""
    job = await parent.hear(PublishJob)
    with packed(job.pictures, job.ends) as pictures:
        publisher = StressPublisher(job)
        homes = Homes([links.Address(job.url, token=job.token, ca=job.ca)])
        link = await connect.publishing(homes, job.stream)(publisher)
        try:
            parent.tell(ServerReady())
            start = await parent.hear(Start)
            await publisher.send(link, pictures, start.at)
            parent.tell(await publisher.settle())
            await parent.hear(Start)  # never comes: the stream stays until the parent has read its figures
        finally:
            await link.close()


if __name__ == "__main__":
    child.main(work)
