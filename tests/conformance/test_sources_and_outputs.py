"""What holds for every source, output and transport, also those of other packages."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sightline.core import registry
from sightline.outputs._service import check_outputs
from sightline.outputs.base import Output, OutputSettings
from sightline.settings.outputs import OutputTable

SECRET = "s3cr3t-w0rd"
SAMPLES: dict[str, dict[str, Any]] = {
    "jsonl": {"path": "results.jsonl"},
    "webhook": {"url": f"https://hooks.lan/{SECRET}", "secret": SECRET},
    "command": {"command": ["true", SECRET]},
    "mqtt": {"host": "broker.lan", "username": "u", "password": SECRET},
}
"""Settings that each built-in output takes."""


@pytest.mark.parametrize("name", registry.names("sources"))
@given(spec=st.text(max_size=60))
def test_a_source_knows_its_own_and_raises_for_nothing(name: str, spec: str) -> None:
    assert registry.load("sources", name).handles(spec) in (True, False)


@pytest.mark.parametrize("name", registry.names("sources"))
def test_a_source_says_what_can_be_named(name: str) -> None:
    what = registry.load("sources", name).WHAT
    assert isinstance(what, str)
    assert what.strip() == what != ""


@pytest.mark.parametrize("name", registry.names("outputs"))
def test_an_output_has_settings_that_refuse_what_they_do_not_know(name: str) -> None:
    settings: type[OutputSettings] = registry.load("outputs", name).Settings
    assert issubclass(settings, OutputSettings)
    with pytest.raises(ValidationError, match="brightness"):
        settings.model_validate({"kind": name, "brightness": 3, **SAMPLES.get(name, {})})


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_output_opens_without_connecting_and_shows_no_secret(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (settings,) = check_outputs([OutputTable(kind=name, **SAMPLES[name])])

    async def opened_and_closed() -> Output:
        output: Output = registry.load("outputs", name).open(settings)
        await output.close()
        await output.close()
        return output

    output = asyncio.run(opened_and_closed())
    assert SECRET not in output.name
    assert output.batch >= 1
    assert output.every_s >= 0
    assert output.retries is None or output.retries >= 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", registry.names("transports"))
def test_a_transport_serves(name: str) -> None:
    assert callable(registry.load("transports", name).serve)
