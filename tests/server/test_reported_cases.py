"""The rest of the files and programs of those who reported faults, as they came: what each gave, and has to give."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sightline.core.errors import ModelError
from sightline.sources.base import open_source
from sightline.zoo.loader import load_model
from support.rtc import SDP
from support.rtsp import free_port
from support.serving import serving

KINDS = ("cut off in its header", "nothing", "a PNG")


def program(path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(path), *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(120)
async def test_a_bad_picture_harms_no_other_and_any_h264_is_taken(cases: Path) -> None:
    """Faults 11 and 62."""
    async with serving("--model", "motion", "--tcp-port", "0") as server:
        for url in (server.ws, server.tcp):
            said = program(cases / "bad_picture_among_good.py", url).communicate(timeout=60)[0].splitlines()
            assert [line.startswith(kind) for line, kind in zip(said, KINDS, strict=True)] == [True] * 3, said
            for line in said:
                answers = line[line.index("[") :].strip("[]").split(", ")
                assert [answer == "'result'" for answer in answers] == [True, False, True], line
        offer = (cases / "whip_h264_high.sdp").read_text()
        answer = await server.http.post("/whip/x", content=offer, headers=SDP)
        assert answer.status_code == 201, answer.text


def listening(port: int) -> None:
    """Wait until a program listens."""
    ends = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < ends, "it never listens"
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("kind", ["regular", "no_first_boundary", "image_jpg"])
def test_odd_motion_jpeg_plays(cases: Path, kind: str) -> None:
    """Fault 7."""
    port = free_port()
    camera = program(cases / "odd_mjpeg.py", str(port))
    try:
        listening(port)
        with open_source(f"http://127.0.0.1:{port}/{kind}") as source:
            shots = list(itertools.islice(source, 10))
    finally:
        camera.kill()
        camera.communicate()
    assert {shot.image.shape for shot in shots} == {(540, 405, 3)}
    assert 0.5 < shots[-1].timestamp - shots[0].timestamp < 5, "ten a second"


def test_models_that_were_taken_for_others_are_refused_with_words(cases: Path) -> None:
    """Faults 20 and 24."""
    with pytest.raises(ModelError, match="batch is fixed at 4"):
        load_model(str(cases / "v8_batch4.onnx"))
    with pytest.raises(ModelError, match="oriented boxes"):
        load_model(str(cases / "obb_no_metadata.onnx"))


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_names_that_are_not_utf8_get_a_line_each(cases: Path, tmp_path: Path) -> None:
    """Fault 10."""
    command = tmp_path / "sightline"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sightline "$@" --model motion\n')
    command.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    script = ["sh", str(cases / "name_not_utf8.sh")]
    done = subprocess.run(
        script, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.stdout.split()[0] == "2", done
