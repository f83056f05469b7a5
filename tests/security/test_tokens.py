from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import BadRequest, ConfigError, NotFound
from sightline.security import files as private
from sightline.security.tokens import ALL, ROLES, Store, check_right


def test_the_file_keeps_hashes_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    token, record = store.create("publish", "door", lifetime=60)
    text = store.path.read_text()
    assert token.startswith("slt_")
    assert len(token) > 40
    assert token not in text
    assert token.removeprefix("slt_") not in text
    assert json.loads(text)["tokens"][0]["hash"] == record.hash
    if os.name == "posix":
        assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_belongs_to_the_service_whose_folder_it_is(tmp_path: Path) -> None:
    os.chown(tmp_path, 10001, 10002)
    store = Store(tmp_path)
    store.create("admin", ALL, lifetime=None)
    assert {(f.stat().st_uid, f.stat().st_gid) for f in tmp_path.iterdir()} == {(10001, 10002)}
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_what_is_made_is_listed_until_it_is_revoked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.records() == []
    assert store.stamp() is None
    _, first = store.create("view", ALL, lifetime=None)
    before = store.stamp()
    _, second = store.create("publish", "door", lifetime=60, kind="browser")
    assert store.stamp() != before
    assert [r.id for r in store.records()] == [first.id, second.id]
    assert (first.expires, first.expired(time.time() + 1e9)) == (None, False)
    assert second.expired(time.time() + 61)
    assert store.revoke(first.id) == first
    assert store.records() == [second]
    with pytest.raises(NotFound, match="no token has the id"):
        store.revoke(first.id)


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: Store(tmp_path).create("view", f"s{i}", lifetime=60)[1], range(40)))
    assert {r.id for r in Store(tmp_path).records()} == {r.id for r in made}
    assert not list(tmp_path.glob(".tokens.json.*")), "nothing half-written is left"


def test_tokens_that_ended_long_ago_are_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    _, old = store.create("view", "a", lifetime=-8 * 86400)
    _, recent = store.create("view", "a", lifetime=-86400)
    _, new = store.create("view", "a", lifetime=60)
    assert old.expired(time.time())
    assert store.records() == [recent, new]


@pytest.mark.parametrize(("role", "stream"), [("owner", "a"), ("view", "a/b"), ("view", ""), ("", "a"), ("view", "**")])
def test_rights_that_make_no_sense_are_refused(tmp_path: Path, role: str, stream: str) -> None:
    with pytest.raises(BadRequest, match="expected"):
        Store(tmp_path).create(role, stream, lifetime=60)
    assert Store(tmp_path).records() == []


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_words_are_a_right_or_a_refusal(role: str, stream: str) -> None:
    with contextlib.suppress(BadRequest):
        assert check_right(role, stream) in ROLES


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.path.write_bytes(data)
        with contextlib.suppress(ConfigError):
            assert isinstance(store.records(), list)


def test_a_folder_that_cant_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't make the folder"):
        Store(tmp_path / "file" / "data").create("view", "a", lifetime=60)


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    private.write(path, b"old")
    private.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
    with pytest.raises(ConfigError, match="can't write"):
        private.write(tmp_path / "absent" / "key", b"")
