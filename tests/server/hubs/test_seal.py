"""Hubs believe nobody who does not know their secret, and no words that were overheard."""

from __future__ import annotations

import time
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import ProtocolError, Unauthorized
from sightline.server.hubs.messages import PROTOCOL, HubState, Shared, decode
from sightline.server.hubs.seal import ClockDiffers, Seal

SECRET = "a-secret-of-these-tests"


def test_a_request_is_good_once_for_what_it_asks() -> None:
    ours, theirs = Seal(SECRET), Seal(SECRET)
    header = ours.request("GET", "/api/hubs/state")
    with pytest.raises(Unauthorized, match="again"):
        theirs.check(header, "GET", "/api/hubs/shared")
    theirs.check(header, "GET", "/api/hubs/state")
    with pytest.raises(Unauthorized, match="again"):
        theirs.check(header, "GET", "/api/hubs/state")


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.hex()))
def test_whatever_a_stranger_sends_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized, match="no hub of ours"):
        Seal(SECRET).check(header, "GET", "/")


def test_another_secret_is_refused_both_ways() -> None:
    ours, others = Seal(SECRET), Seal("another-secret-of-theirs")
    header = ours.request("GET", "/")
    with pytest.raises(Unauthorized, match="same secret"):
        others.check(header, "GET", "/")
    with pytest.raises(Unauthorized, match="same secret"):
        ours.read(header, others.answer(header, b"{}"))


def test_an_answer_is_good_for_its_request_alone() -> None:
    seal = Seal(SECRET)
    first, second = seal.request("GET", "/"), seal.request("GET", "/")
    assert seal.read(first, seal.answer(first, b"yes")) == b"yes"
    with pytest.raises(Unauthorized, match="another question"):
        seal.read(second, seal.answer(first, b"yes"))


@pytest.mark.parametrize(("seconds", "words"), [(-100, r"\d+ s behind"), (100, r"\d+ s ahead")])
def test_a_clock_that_differs_is_told(seconds: float, words: str) -> None:
    ours, theirs = Seal(SECRET), Seal(SECRET)
    with mock.patch("time.time", return_value=time.time() + seconds):
        header = ours.request("GET", "/")
    with pytest.raises(ClockDiffers, match=words):
        theirs.check(header, "GET", "/")


@pytest.mark.parametrize("kind", [HubState, Shared])
@given(st.binary(max_size=200))
def test_what_no_hub_says_is_an_error_with_words(kind: type[object], data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(data, kind)


def test_another_form_of_messages_is_told_with_both_versions() -> None:
    said = b'{"protocol": %d, "version": "9.9", "what": "is new"}' % (PROTOCOL + 1)
    with pytest.raises(ProtocolError, match=r"version 9\.9.*form 2; expected form 1"):
        decode(said, HubState)
