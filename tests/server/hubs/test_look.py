"""What one hub makes of what the others say, by a clock that the test moves."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from sightline.server.hubs import hubs as module
from sightline.server.hubs.hubs import Hubs
from sightline.server.hubs.messages import PROTOCOL, HubState
from sightline.server.hubs.peer import GONE_S, STEADY_S
from sightline.server.hubs.ring import owner
from sightline.settings.cluster import Cluster

OWN, OTHER = "http://10.0.0.1:8000", "http://10.0.0.2:8000"
NAMES = [f"cam-{n}" for n in range(8)]


class Cameras(dict[str, Any]):
    """Those of the settings; notes which are begun or ended."""

    def __init__(self) -> None:
        super().__init__(dict.fromkeys(NAMES))
        self.names, self.borrowed, self.kept = set(NAMES), dict[str, Any](), dict[str, Any]()
        self.moved: list[str] = []

    def fixed(self, name: str) -> bool:
        return name in self

    def borrow(self, cameras: dict[str, Any], theirs: Iterable[str]) -> None:
        self.borrowed = cameras

    def changed(self, name: str) -> None:
        self.moved.append(name)


class Made:
    """A hub of two, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr("sightline.server.hubs.peer.time", clock)
        self.cameras = Cameras()
        hub: Any = SimpleNamespace(
            placement=SimpleNamespace(), streams={}, cameras=self.cameras, remove=lambda name, reason: None
        )
        access: Any = SimpleNamespace(share=lambda records: None)
        cluster = Cluster.model_validate({"hubs": [OWN, OTHER], "secret": "s" * 32})
        self.hubs = Hubs(cluster, ssl.create_default_context(), hub, access, lambda: None, lambda: "", tuple)

    def hear(self, address: str, instance: str) -> None:
        peer = self.hubs.peers[address]
        peer.state = HubState(
            protocol=PROTOCOL,
            version="1",
            instance=instance,
            up_s=100.0,
            hubs=(OWN, OTHER),
            tokens=False,
            tcp_port=None,
            ready=True,
            reason="",
            shared="",
            sources=tuple(NAMES),
            streams=(),
        )
        peer.heard = self.now

    def pass_time(self, seconds: float, *, asleep: bool = False) -> None:
        for _ in range(1 if asleep else round(seconds / 0.25)):
            self.now += seconds if asleep else 0.25
            if not asleep:
                self.hear(OTHER, "other")
            self.hubs.look()

    @property
    def here(self) -> set[str]:
        return {name for name in NAMES if self.hubs.placed(name) is None}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


MINE = {name for name in NAMES if owner(name, [OWN, OTHER]) == OWN}


@pytest.mark.parametrize("seconds", [1.0, GONE_S + 1])
def test_sources_begin_however_late_a_hub_finds_itself(made: Made, seconds: float) -> None:
    """A busy machine may need more than the time in which nothing is decided."""
    made.pass_time(seconds)
    made.hear(OWN, made.hubs._instance)
    made.pass_time(1)
    assert made.here == MINE
    begun = {name for name in NAMES if made.cameras.moved.count(name) % 2}
    assert begun == MINE


def test_a_hub_that_stood_still_leaves_its_streams_until_it_is_steady(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    made.hear(OWN, made.hubs._instance)
    made.pass_time(10)
    assert made.here == MINE
    made.pass_time(GONE_S - 1, asleep=True)
    assert made.here == MINE, "the others have not noticed"
    made.pass_time(GONE_S + 20, asleep=True)
    assert made.here == set()
    assert "stood still for 25 s" in caplog.text
    made.pass_time(STEADY_S + 0.5)
    assert made.here == MINE
