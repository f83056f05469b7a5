"""The short tier of every program that tries to break a server. Goals in seconds and megabytes are not asserted."""

from __future__ import annotations

import pytest

from chaos import CASES, load
from chaos.soak import run, theil_sen

pytestmark = pytest.mark.timeout(300)


LONG = {"workers", "cluster", "hubs"}
"""What has no short tier here: tests of processes and replicas in ``tests/inference`` try the same, and those of hubs
in ``tests/server/hubs``."""


@pytest.mark.parametrize("name", [name for name in CASES if name not in LONG])
async def test_nothing_breaks(name: str) -> None:
    assert [finding.line for finding in await load(name)(True) if not finding.held] == []


async def test_a_short_soak_breaks_nothing() -> None:
    findings, _ = await run(5)
    assert [finding.line for finding in findings if not finding.held] == []


def test_one_outlier_does_not_bend_the_slope() -> None:
    assert theil_sen([(float(x), 2.0 * x + (100 if x == 3 else 0)) for x in range(9)]) == 2.0
