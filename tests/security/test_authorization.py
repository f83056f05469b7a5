from __future__ import annotations

import asyncio
import errno
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from sightline.core.errors import Forbidden, LimitReached, SightlineError, Unauthorized
from sightline.security.authentication import CONNECTION, AuthenticationMiddleware, Tries
from sightline.security.authorization import CLOSED, EVERYBODY, IDENTITY, MOST_TICKETS, Access, Identity
from sightline.security.connections import Connections
from sightline.security.tokens import ALL, Role, Store


def connection(identity: Identity | None = None) -> HTTPConnection:
    """A request as the gate lets it through."""
    scope = {"type": "http", "headers": []}
    return HTTPConnection(scope if identity is None else scope | {IDENTITY: identity})


@pytest.mark.parametrize(
    ("has", "on", "wants", "stream", "allowed"),
    [
        ("view", "door", "view", "door", True),
        ("view", "door", "view", "yard", False),
        ("view", "door", "publish", "door", False),
        ("publish", "door", "view", "door", False),
        ("admin", "door", "publish", "door", True),
        ("admin", "door", "admin", "yard", False),
        ("view", ALL, "view", "door", True),
        ("view", ALL, "view", None, True),
        ("view", "door", "view", None, False),
        ("admin", "door", "view", None, False),
    ],
)
def test_a_right_is_a_role_on_a_stream(has: Role, on: str, wants: Role, stream: str | None, allowed: bool) -> None:
    identity = Identity("1", has, on)
    assert identity.may(wants, stream) is allowed


def test_without_tokens_everybody_may_do_everything() -> None:
    access = Access(None)
    assert access.require(connection(), "admin", stream=None) is EVERYBODY
    assert not access.enabled
    access.watch(EVERYBODY, lambda error: None)()


def test_with_tokens_one_must_have_the_right(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    known = connection(Identity("1", "view", "door"))
    assert access.require(known, "view", stream="door").id == "1"
    assert access.require(known, stream=None).id == "1"
    assert access.require(known, "publish", "view", stream="door").id == "1"
    with pytest.raises(Forbidden, match="this token is for view of stream 'door': expected publish of stream 'door'"):
        access.require(known, "publish", stream="door")
    with pytest.raises(Unauthorized, match="expected a token"):
        access.require(connection(), stream=None)


@pytest.mark.parametrize("lacks", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_shortage_is_not_taken_for_a_revocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: int) -> None:
    store, ended = Store(tmp_path), list[SightlineError]()
    token, _ = store.create("view", "door", lifetime=60)
    access = Access(store)
    access.watch(access.identify(token), ended.append)
    new, _ = store.create("view", "yard", lifetime=60)

    def fails(path: Path) -> bytes:
        raise OSError(lacks, os.strerror(lacks))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        access.refresh()
        access.end_sessions()
        assert access.identify(token).stream == "door"
    assert ended == []
    access.refresh()
    assert access.identify(new).stream == "yard", "it is over when it is over"


def test_a_token_is_known_as_soon_as_it_is_made(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    token, record = Store(tmp_path).create("view", "door", lifetime=60)
    assert access.identify(token).id == record.id
    with pytest.raises(Unauthorized):
        access.identify(token[:-1])
    Store(tmp_path).revoke(record.id)
    access.refresh()
    with pytest.raises(Unauthorized, match="not known"):
        access.identify(token)


def test_a_broken_file_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    token, _ = store.create("admin", ALL, lifetime=None)
    access = Access(store)
    store.path.write_text("{")
    access.refresh()
    assert "no token is accepted" in caplog.text
    with pytest.raises(Unauthorized):
        access.identify(token)


async def test_a_session_ends_with_its_token(tmp_path: Path) -> None:
    store = Store(tmp_path)
    access = Access(store)
    token, record = store.create("view", "door", lifetime=None)
    other, _ = store.create("view", "door", lifetime=None)
    begun, told = asyncio.Event(), list[SightlineError]()

    async def session() -> None:
        async with access.session(access.identify(token)):
            begun.set()
            await asyncio.Event().wait()

    access.watch(access.identify(token), told.append)
    access.watch(access.identify(other), told.append)
    unwatch = access.watch(access.identify(token), told.append)
    unwatch()
    living, running = asyncio.create_task(session()), asyncio.create_task(access.run())
    await begun.wait()
    store.revoke(record.id)
    with pytest.raises(Unauthorized, match="was revoked"):
        await living
    assert [type(error) for error in told] == [Unauthorized], "once, and only those of that token"
    running.cancel()


async def test_a_session_ends_when_its_token_expires(tmp_path: Path) -> None:
    store = Store(tmp_path)
    token, _ = store.create("view", "door", lifetime=0.5)
    access = Access(store)
    running = asyncio.create_task(access.run())
    with pytest.raises(Unauthorized, match="has expired"):
        async with access.session(access.identify(token)):
            await asyncio.Event().wait()
    with pytest.raises(Unauthorized, match="has expired"):
        access.identify(token)
    running.cancel()


async def test_a_session_that_is_cancelled_by_others_is_just_that(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    token, _ = Store(tmp_path).create("view", "door", lifetime=60)
    begun = asyncio.Event()

    async def session() -> None:
        async with access.session(access.identify(token)):
            begun.set()
            await asyncio.Event().wait()

    living = asyncio.create_task(session())
    await begun.wait()
    living.cancel()
    with pytest.raises(asyncio.CancelledError):
        await living


async def test_a_ticket_is_good_once_and_for_what_it_was_made(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    ticket = access.ticket("publish", "phone")
    token, record = await access.exchange(ticket)
    assert (record.role, record.stream, record.kind) == ("publish", "phone", "browser")
    assert record.expires is not None
    assert record.expires > time.time()
    assert access.identify(token).may("publish", "phone")
    with pytest.raises(Unauthorized, match="used already"):
        await access.exchange(ticket)
    await access.sign_out(access.identify(token))
    with pytest.raises(Unauthorized):
        access.identify(token)


async def test_a_ticket_grows_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(Store(tmp_path))
    monkeypatch.setattr("sightline.security.authorization.TICKET_S", 0.0)
    ticket = access.ticket("view", ALL)
    with pytest.raises(Unauthorized, match="too old"):
        await access.exchange(ticket)


async def test_tickets_dont_pile_up(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    for _ in range(MOST_TICKETS):
        access.ticket("view", ALL)
    with pytest.raises(LimitReached, match="tickets wait"):
        access.ticket("view", ALL)


async def test_signing_out_leaves_tokens_of_programs_alone(tmp_path: Path) -> None:
    access = Access(Store(tmp_path))
    token, _ = Store(tmp_path).create("view", "door", lifetime=60)
    await access.sign_out(access.identify(token))
    assert access.identify(token).role == "view"


def test_who_came_by_lan_mode_goes_when_that_opening_is_over(tmp_path: Path) -> None:
    """Sessions that begin while it is closed go as well, and the next opening doesn't keep them."""
    store, ended = Store(tmp_path), list[str]()
    token, record = store.create("view", "*", lifetime=60)
    access = Access(None)
    first = access.open(store)
    assert (access.enabled, access.active) == (False, True)
    came = replace(access.identify(token), opening=first)
    kept = access.identify(token)
    access.watch(came, lambda error: ended.append(f"came: {error.message}"))
    access.watch(kept, lambda error: ended.append(f"kept: {error.message}"))
    access.watch(EVERYBODY, lambda error: ended.append("everybody"))
    access.close()
    assert ended == [f"came: {CLOSED}"]
    assert not access.active
    assert access.open(store) != first
    access.watch(came, lambda error: ended.append("late"))
    access.end_sessions()
    assert ended[1:] == ["late"]
    store.revoke(record.id)
    access.refresh()
    access.end_sessions()
    assert ended[2:] == [f"kept: the token {record.id} was revoked"]


async def test_a_request_of_an_earlier_opening_is_refused(tmp_path: Path) -> None:
    store, answers = Store(tmp_path), list[str]()
    token, _ = store.create("view", "*", lifetime=60)
    access = Access(None)
    came = Connections(9, 9).come("192.0.2.1", opening=access.open(store))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answers.append(f"let in by {scope[IDENTITY].opening}")

    async def ask(*headers: tuple[bytes, bytes]) -> str:
        scope = {"type": "http", "method": "GET", "path": "/stats", "headers": headers, "state": {CONNECTION: came}}
        await AuthenticationMiddleware(app, access=access, tries=Tries(), proxied=False)(scope, receive, send)
        return answers[-1]

    async def receive() -> Message:
        raise AssertionError("nobody reads the body")

    async def send(message: Message) -> None:
        answers.extend([str(message["status"])] if "status" in message else [])

    bearer = (b"authorization", f"Bearer {token}".encode())
    assert await ask(bearer) == "let in by 1"
    assert await ask() == "401"
    access.close()
    assert await ask(bearer) == "503"
    access.open(store)
    assert await ask(bearer) == "503"


def test_lan_mode_of_a_server_that_asks_everybody_changes_nothing_for_the_others(tmp_path: Path) -> None:
    store, ended = Store(tmp_path), list[SightlineError]()
    token, _ = store.create("view", "*", lifetime=60)
    access = Access(store)
    access.watch(access.identify(token), ended.append)
    ticket = access.ticket("view", ALL)
    access.open(store)
    with pytest.raises(Unauthorized):
        access.require(connection(), stream=None)
    access.close()
    assert (access.enabled, ended) == (True, [])
    assert len(asyncio.run(access.exchange(ticket))) == 2
