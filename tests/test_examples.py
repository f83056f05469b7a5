"""Every example in the README, the docs and ``examples/`` runs as it stands, against a real server."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from sightline import AsyncClient
from sightline.outputs._service import check_outputs
from sightline.settings.settings import load_settings
from support.serving import ROOT, Running, picture, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTOS = 12
WITH_SETTINGS = sorted(
    f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md") if page.name != "extending.md"
)  # that page has a test of its own
LINES = 2
"""After so many lines an example that has no end is stopped."""


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    text = (ROOT / page).read_text("utf-8")
    return [code for said, code in re.findall(r"^```(\w+)\n(.*?)^```", text, re.S | re.M) if said == language]


def numbered(pages: list[str], language: str) -> list[object]:
    """Test parameters: each page's blocks."""
    return [
        pytest.param(code, id=f"{page}-{i}") for page in pages for i, code in enumerate(blocks(page, language), start=1)
    ]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    """A server that somebody publishes ``door`` at."""
    async with serving("--model", "motion", "--tcp-port", "0") as running, AsyncClient(running.tcp) as client:
        publishing = asyncio.create_task(publish(client))
        await running.until(lambda s: s["streams"].get("door", {}).get("delivered", 0) > 0)
        yield running
        publishing.cancel()
        await asyncio.wait([publishing])


async def publish(client: AsyncClient) -> None:
    pictures = [picture(i) for i in range(40)]
    while True:
        async with aclosing(client.publish("door", pictures)) as answers:
            async for _ in answers:
                pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an example runs: with some photos."""
    (tmp_path / "photos").mkdir()
    for i in range(PHOTOS):
        (tmp_path / "photos" / f"{i:02}.jpg").write_bytes(picture(i))
    return tmp_path


async def run(folder: Path, *command: str, most: int | None = None) -> list[str]:
    """What a program prints. It must end well, or go on until it has printed ``most`` lines."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            said.append(line.strip())
            if len(said) == most:
                process.terminate()
                break
        errors = (await process.stderr.read()).decode()
        await process.wait()
    assert "Traceback" not in errors, errors
    assert len(said) == most or process.returncode == 0, errors
    return said


@pytest.mark.parametrize("code", numbered(["README.md", "docs/clients.md"], "python"))
async def test_code_in_the_docs_runs(code: str, server: Running, folder: Path) -> None:
    assert code.count("\n") <= 16
    here = code.replace("tcp://127.0.0.1:9000", server.tcp).replace("ws://127.0.0.1:8000", server.ws)
    assert here != code, "it names a server"
    (folder / "example.py").write_text(here, "utf-8")
    said = await run(folder, sys.executable, "-u", "example.py", most=LINES)
    assert said


@pytest.mark.parametrize("code", numbered(["docs/python.md"], "python"))
async def test_models_in_python(code: str, folder: Path) -> None:
    (folder / "example.py").write_text(code, "utf-8")
    assert await run(folder, sys.executable, "example.py")


async def test_a_folder_is_pushed(server: Running, folder: Path) -> None:
    said = await run(folder, sys.executable, str(ROOT / "examples" / "push_folder.py"), "photos", server.tcp)
    assert [line.partition(":")[0] for line in said] == [f"{i:02}.jpg" for i in range(PHOTOS)]
    assert "motion" in "".join(said), "they differ"


async def test_people_are_counted(server: Running, folder: Path) -> None:
    example = str(ROOT / "examples" / "count_people.py")
    (said,) = await run(folder, sys.executable, "-u", example, "door", server.tcp, most=1)
    assert re.fullmatch(r"frame \d+: 0 people", said)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_a_client_in_another_language(server: Running, folder: Path) -> None:
    port = server.tcp.rpartition(":")[2]
    files = [f"photos/{i:02}.jpg" for i in range(PHOTOS)]
    said = await run(folder, "node", str(ROOT / "examples" / "tcp_client.mjs"), port, *files)
    assert said[0] == "model motion, at most 2 frames under way"
    assert [line.split()[0] for line in said[1:]] == files
    assert "'motion'" in "".join(said[1:])


@pytest.mark.parametrize("text", numbered(WITH_SETTINGS, "toml"))
async def test_settings_in_the_docs_are_taken(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = text.replace("/var/log/sightline", str(tmp_path))
    (tmp_path / "sightline.toml").write_text(here, "utf-8")
    monkeypatch.chdir(tmp_path)
    settings = load_settings()
    assert {settings.origin(name) for name in tomllib.loads(text)} == {"file"}
    check_outputs([table for table in settings.outputs if table.kind != "command"])  # its program would have to be here
