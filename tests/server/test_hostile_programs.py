"""The programs of those who ended or stalled a server, as they came: each starts a server and prints what it gave.

They give a server some seconds to start. Where a busy machine takes longer, they measured nothing and are run again.
The one of a webhook's receiver writes settings of an earlier form: ``tests/outputs`` does the same.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.serving import ROOT

TRIES = 3
pytestmark = [pytest.mark.timeout(300), pytest.mark.skipif(sys.platform == "win32", reason="start servers by fork")]


@pytest.fixture
def programs(cases: Path) -> Path:
    """Their folder, beside that of the reports' files."""
    folder = cases.parent / "hostile-peers"
    if not (ROOT / ".venv/bin/sightline").exists():
        pytest.skip("they start .venv/bin/sightline, which is not there")
    return folder


def said(program: Path, pattern: str, *arguments: str) -> re.Match[str]:
    """Run a program from the project's root until what it prints shows that it has measured."""
    start = ["bash"] if program.suffix == ".sh" else [str(ROOT / ".venv/bin/python")]
    printed = ""
    for _ in range(TRIES):
        ran = subprocess.run([*start, str(program), *arguments], cwd=ROOT, capture_output=True, text=True, timeout=90)
        printed = ran.stdout
        if found := re.search(pattern, printed, re.S):
            return found
    raise AssertionError(f"{program.name} never measured: {printed[-1000:]}")


def test_small_messages_stop_no_results(programs: Path) -> None:
    found = said(
        programs / "whip_small_messages_kills_server.py",
        r"results before [1-9].*camera: (\d+) results in the last.*/health \((\d+).*/ready \((\d+).*"
        r"gets (\d+) results.*log: (.*)",
    )
    during, health, ready, after, log = found.groups()
    assert (int(during) > 4, health, ready, int(after) > 4) == (True, "200", "200", True), found[0]
    assert log.strip() == "[]"


@pytest.mark.parametrize("mode", ["loop", "lan"])
def test_fragments_of_a_byte_end_their_own_connection_alone(programs: Path, mode: str) -> None:
    found = said(
        programs / "fragment_flood.py",
        r"before: [1-9].*flood ([\d.]+) s: .* -> (.*?); .*silence ([\d.]+) s; rss \+(-?\d+) MB",
        mode,
    )
    assert found[2] != "still open", found[0]
    assert float(found[1]) < 5
    assert float(found[3]) < 5
    assert int(found[4]) < 30


def test_a_stranger_writes_no_line_of_its_own_into_the_log(programs: Path) -> None:
    log = ast.literal_eval(said(programs / "log_injection_tcp.py", r"(['\"].*token deadbeef.*['\"])\n")[1])
    lines = [line for line in log.splitlines() if "deadbeef" in line]
    assert [re.match(r"\d\d:\d\d:\d\d \w+ +sightline\.access ", line) for line in lines] == [None] * len(lines)
    assert "\x1b" not in log
    assert "\x07" not in log


def test_pictures_that_claim_to_be_huge_are_refused_by_their_heads(programs: Path) -> None:
    found = said(programs / "folder_bomb.py", r"peak (\d+) MB, exit (\d+)\n.*peak (\d+) MB, exit (\d+)\n")
    assert int(found[1]) < 500
    assert found[2] != "0"
    assert int(found[3]) < 500


def test_an_origin_that_is_none_is_refused(programs: Path) -> None:
    found = said(programs / "origin_500.sh", r"(?<!\d)([1-9]\d\d)\n(\d+)\n")
    assert found[1] in ("400", "403")
    assert found[2] == "0"
