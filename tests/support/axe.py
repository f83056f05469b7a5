"""axe-core in a page: what is wrong for people who see little, hear the page, or have no mouse."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from playwright.async_api import Page

SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async (rules) => {
  // In forced colours Chromium tells the fill that text would have without them.
  const own = CSSStyleDeclaration.prototype.getPropertyValue;
  CSSStyleDeclaration.prototype.getPropertyValue = function (name) {
    return own.call(this, name === "-webkit-text-fill-color" ? "color" : name);
  };
  const { violations } = await axe.run(document, {
    resultTypes: ["violations"],
    preload: false, // it would add style sheets, which the pages' policy refuses
    ...(rules.length ? { runOnly: { type: "rule", values: rules } } : {}),
  });
  CSSStyleDeclaration.prototype.getPropertyValue = own;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary, html }) =>
    `${id}: ${target.join(" ")}: ${failureSummary.split("\\n").slice(1).join("; ")} in ${html.slice(0, 160)}`));
}"""


@cache
def _script() -> str:
    if not SCRIPT.is_file():
        pytest.skip("no axe-core: npm ci installs it")
    return SCRIPT.read_text("utf-8")


async def violations(page: Page, *rules: str) -> list[str]:
    """What breaks these rules, or any of axe's."""
    if not await page.evaluate("() => Boolean(globalThis.axe)"):
        await page.evaluate(_script())
    return list(await page.evaluate(RUN, list(rules)))
