"""Places for connections: who gives way to whom."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from sightline.core.errors import LimitReached
from sightline.security import connections
from sightline.security.authentication import address_of
from sightline.security.connections import Connections, OpenConnection


def never() -> None:
    raise AssertionError("this one was to stay")


def test_the_longest_silent_stranger_of_an_address_gives_way() -> None:
    kept, ended = Connections(most=10, of_token=5), list[int]()
    places = [kept.come("192.0.2.1", lambda n=n: ended.append(n)) for n in range(connections.STRANGERS_EACH)]  # type: ignore[misc]
    places[0].heard(None)  # a request without a token: it is not the silent one
    kept.come("192.0.2.2", never)
    kept.come("192.0.2.1", never)
    assert ended == [1]


def test_an_address_with_many_can_not_take_the_places_of_one_with_few() -> None:
    kept, ended = Connections(most=10, of_token=5), list[str]()
    kept.come("192.0.2.1", never)
    for n in range(connections.STRANGERS * 2):
        host = f"2001:db8::{n % 7 + 1}" if n % 2 else f"198.51.100.{n % 5}"  # one network of the first kind
        kept.come(host, lambda host=host: ended.append(host))  # type: ignore[misc]
    assert len(ended) == connections.STRANGERS * 2 + 1 - sum(len(own) for own in kept._strangers.values())


def test_through_a_proxy_strangers_are_of_no_address() -> None:
    kept = Connections(most=10, of_token=5, proxied=True)
    for _ in range(connections.STRANGERS):
        kept.come("127.0.0.1", never)


def test_a_token_has_not_all_places() -> None:
    kept = Connections(most=4, of_token=2)
    for _ in range(2):
        kept.come("192.0.2.1", never).heard("a")
    greedy = kept.come("192.0.2.1", never)
    with pytest.raises(LimitReached, match="2 connections have this token"):
        greedy.heard("a")
    for token in "bc":
        kept.come("192.0.2.1", never).heard(token)
    with pytest.raises(LimitReached, match="4 connections are open"):
        kept.come("192.0.2.1", never).heard("d")


CALLS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.sampled_from([None, "", "a", "b"])), max_size=300)


@given(CALLS)
def test_every_place_comes_back(calls: list[tuple[int, int, str | None]]) -> None:
    kept, open_ = Connections(most=6, of_token=3), list[OpenConnection]()
    for what, which, token in calls:
        if what == 0 or not open_:
            open_.append(kept.come(f"192.0.2.{which}", lambda: None))
        elif what == 1:
            open_.pop(which % len(open_)).gone()
        else:
            try:
                open_[which % len(open_)].heard(token)
            except LimitReached:
                continue
        known = [connection for connection in open_ if connection.token is not None]
        assert len(known) <= 6
        assert all(count <= 3 for token, count in Counter(connection.token for connection in known).items() if token)
        assert kept._known == set(known)
    for connection in open_:
        connection.gone()
        connection.gone()
    assert [*kept._strangers, *kept._known, *kept._tokens] == []


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1, 203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1", "203.0.113.9"], "203.0.113.9"),
        (["192.0.2.1, 192.0.2.2", "2001:db8:1:2::3"], "2001:db8:1:2::/64"),
        (["192.0.2.1", ""], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_a_proxy_alone_says_where_a_request_comes_from(headers: list[str], address: str) -> None:
    """Some proxies add to what the peer said, some add a header of their own behind it."""
    said = [(b"x-forwarded-for", header.encode()) for header in headers]
    connection = HTTPConnection({"type": "http", "client": ("127.0.0.1", 1), "headers": said})
    assert address_of(connection, proxied=True) == address
    assert address_of(connection, proxied=False) == "127.0.0.1"
