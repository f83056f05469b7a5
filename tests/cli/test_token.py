from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sightline.cli import app
from sightline.security.tokens import Store


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["token", *words])


def test_a_token_is_shown_once_listed_and_revoked(data: Path) -> None:
    made = run("create", "--stream", "door", "--role", "publish", "--expires", "7d")
    assert made.exit_code == 0
    token = made.stdout.strip()
    assert re.fullmatch(r"slt_\S{40,}", token), "standard output has the token alone, for scripts"
    assert "publish of door, until" in made.stderr
    (record,) = Store(data).records()
    assert record.expires is not None
    assert record.expires - record.created == pytest.approx(7 * 86400)

    run("create", "--role", "view", "--expires", "never")
    listed = run("list").stdout
    assert re.search(rf"^{record.id} +publish +door ", listed, re.M)
    assert re.search(r"view +all .*never ends", listed)
    assert token not in listed

    assert run("revoke", record.id).exit_code == 0
    assert record.id not in run("list").stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("create", "--role", "owner"), "role 'owner': expected one of publish, view, admin"),
        (("create", "--role", "view", "--stream", "a b"), "stream"),
        (("create", "--role", "view", "--expires", "soon"), "--expires 'soon': expected a number"),
        (("create", "--role", "view", "--expires", "0d"), "--expires '0d'"),
        (("revoke", "1234"), "no token has the id '1234'"),
    ],
)
def test_what_cant_be_done_is_told(data: Path, words: tuple[str, ...], why: str) -> None:
    done = run(*words)
    assert done.exit_code != 0
    assert why in str(done.exception)
    assert not Store(data).records()


def test_no_tokens_is_no_error(data: Path) -> None:
    assert run("list").exit_code == 0
