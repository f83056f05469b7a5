"""Which hub has a stream: few streams move when a hub comes or goes, and all hubs agree."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sightline.server.hubs.ring import owner

names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
lists = st.lists(st.integers(1, 65535).map("http://hub:{}".format), min_size=2, max_size=8, unique=True)


@given(names, lists, st.randoms())
def test_the_order_of_the_list_means_nothing(name: str, hubs: list[str], random: object) -> None:
    assert owner(name, hubs) == owner(name, sorted(hubs)) == owner(name, tuple(reversed(hubs)))


@given(st.lists(names, min_size=1, max_size=50, unique=True), lists, st.data())
def test_only_the_streams_of_a_hub_that_goes_move(streams: list[str], hubs: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(hubs))
    left = [hub for hub in hubs if hub != gone]
    for stream in streams:
        before, after = owner(stream, hubs), owner(stream, left)
        assert after == before or before == gone


def test_streams_are_shared_out_evenly() -> None:
    hubs = [f"http://hub-{number}:8000" for number in range(4)]
    shares = Counter(owner(f"camera-{number}", hubs) for number in range(4000))
    assert set(shares) == set(hubs)
    assert all(900 < share < 1100 for share in shares.values())
