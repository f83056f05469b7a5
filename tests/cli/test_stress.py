"""``sightline stress`` as a person runs it: real processes, a real server, a ledger that is exact."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import SightlineError
from support.serving import serving
from support.waiting import within

Json = dict[str, Any]
SMALL = ("--streams", "3", "--fps", "10", "--duration", "2")


async def stress(*options: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Status, standard output and standard error."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_") or k == "SIGHTLINE_MODEL"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "stress", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean | (env or {}),
    )
    try:
        out, err = await within(process.communicate(), 100)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def checks(found: Json) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in found["verdict"]["checks"]}


def assert_exact(run: Json) -> None:
    """Every planned frame was sent and had exactly one end, on both sides."""
    assert run["ledger"] == []
    assert run["sent"] == run["planned"]
    assert run["sent"] == run["delivered"] + sum(run["dropped"].values())
    for s in run["streams"]:
        assert s["sent"] == s["planned"] == s["delivered"] + sum(s["dropped"].values()), s
        assert not s["error"]
    assert sum(second["sent"] for second in run["seconds"]) == run["sent"]


@pytest.mark.parametrize("transport", ["tcp", "ws"])
async def test_its_own_server_and_an_exact_ledger(transport: str, tmp_path: Path) -> None:
    status, out, err = await stress(
        *SMALL, "--viewers", "2", "--transport", transport, "--json", "--out", str(tmp_path / "report")
    )
    found: Json = json.loads(out)
    (run,) = found["runs"]
    assert_exact(run)
    assert run["transport"] == transport
    assert run["planned"] == 60
    assert run["model"] == "motion"
    assert run["delivered"] > 0
    assert {"ledger": True, "answers": True}.items() <= checks(found).items()
    assert [viewer["error"] for viewer in run["viewers"]] == ["", ""]
    assert all(viewer["seen"] > 0 for viewer in run["viewers"])
    assert run["samples"]
    assert status == (0 if found["verdict"]["ok"] else 1)
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert written == found
    assert found["verdict"]["words"] in (tmp_path / "report" / "report.html").read_text()
    assert "report.html" in err


async def test_a_bad_verdict_is_status_1_and_says_why() -> None:
    status, out, _ = await stress(*SMALL, "--max-drops", "20", env={"SIGHTLINE_MAX_FPS": "2"})
    assert status == 1
    assert re.search(r"bad drops\s+\d+\.\d% of the frames had no result, at most 20.0% may", out)
    assert re.search(r"ok\s+ledger", out)
    assert re.search(r"dropped\s+\d+ rate", out)


async def test_a_running_server_and_its_limits() -> None:
    async with serving("--tcp-port", "0", env={"SIGHTLINE_MAX_STREAMS": "2"}) as server:
        to_it = ("--url", server.tcp, "--stats-url", server.url, "--json")
        status, out, _ = await stress("--streams", "2", "--fps", "5", "--duration", "1", *to_it)
        assert_exact(json.loads(out)["runs"][0])
        # The third stream is refused: that is the verdict, and the others are exact all the same.
        status, out, _ = await stress("--streams", "3", "--fps", "5", "--duration", "1", *to_it)
        assert status == 1
        found = json.loads(out)
        assert "limit max_streams" in found["verdict"]["words"] + json.dumps(found["runs"][0]["streams"])
        await server.until(lambda stats: all(s["state"] == "waiting" for s in stats["streams"].values()))


async def test_a_server_that_dies_is_a_bad_verdict() -> None:
    async with serving("--tcp-port", "0") as server:
        to_it = ("--url", server.tcp, "--stats-url", server.url, "--json")
        running = asyncio.create_task(stress("--streams", "2", "--fps", "20", "--duration", "20", *to_it))
        await server.until(lambda stats: stats["processed_frames"] > 10, seconds=60)
        server.process.send_signal(signal.SIGTERM)
        status, out, err = await running
    assert status == 1, err
    found = json.loads(out)
    assert not checks(found)["answers"]
    assert all(s["error"] for s in found["runs"][0]["streams"])


async def test_a_sweep_raises_the_load_until_it_breaks(tmp_path: Path) -> None:
    # A limit on frames a second is a capacity that no machine changes.
    status, out, err = await stress(
        *("--sweep", "--streams", "2", "--fps", "12", "--duration", "2", "--target", "5000", "--json"),
        *("--max-drops", "20", "--out", str(tmp_path)),
        env={"SIGHTLINE_MAX_FPS": "16"},
    )
    assert status in (0, 1), err
    found = json.loads(out)
    assert found["sweep"]
    rates = [run["fps"] for run in found["runs"]]
    assert rates[:3] == [12, 18, 27]
    assert rates == sorted(rates)
    lost = [1 - run["delivered"] / run["sent"] for run in found["runs"]]
    assert lost[0] <= 0.2 < lost[-3]
    assert all(run["ledger"] == [] for run in found["runs"])
    assert "carried" in found["verdict"]["checks"][0]["words"]
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--streams", "0"), "--streams 0: expected 1 to 256"),
        (("--url", "ftp://host"), "expected tcp://HOST:PORT"),
        (("--url", "ws://127.0.0.1:9", *SMALL), "figures at http://127.0.0.1:9/ready: nothing listens there"),
        (("--url", "ws://127.0.0.1:9", "--model", "motion"), "leave out --url"),
        (("--stats-url", "http://127.0.0.1:9"), "give its --url, too"),
        (("--source", "absent.mp4"), "absent.mp4: no such file"),
        (("--model", "absent.onnx"), "absent.onnx"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(options: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["stress", *options])
    assert isinstance(done.exception, SightlineError), done.output
    assert (done.stdout, said in done.exception.message) == ("", True)


async def test_what_is_refused_is_status_2() -> None:
    status, out, err = await stress("--streams", "0")
    assert (status, out) == (2, "")
    assert "--streams 0: expected 1 to 256" in " ".join(err.split())
    assert "Traceback" not in err


async def test_a_clip_is_sent(assets: Path) -> None:
    clip = assets / "videos" / "bottle-detection.mp4"
    _, out, _ = await stress("--streams", "2", "--fps", "5", "--duration", "1", "--source", str(clip), "--json")
    found = json.loads(out)
    assert found["source"] == "bottle-detection.mp4"
    assert_exact(found["runs"][0])


async def test_ctrl_c_leaves_no_process_behind() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "stress", "--streams", "2", "--fps", "5", "--duration", "60"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(90):
            while len(children := psutil.Process(process.pid).children(recursive=True)) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, out, err) == (130, b"", b"")
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
