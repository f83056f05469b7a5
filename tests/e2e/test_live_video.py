"""``/video/NAME.mp4`` in ``<video src>``, in the browsers that people have."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.browsing import BROWSERS, browsing_with
from support.serving import camera, serving

PLAY = """src => new Promise((resolve, reject) => {
  const video = document.createElement("video");
  Object.assign(video, { src, muted: true });
  video.addEventListener("error", () => reject(new Error(video.error.message)));
  video.addEventListener("timeupdate", () => {
    if (video.currentTime > 1) resolve([video.videoWidth, video.videoHeight]);
  });
  document.body.append(video);
  video.play().catch(reject);
})"""

KNOWN = """() => document.createElement("video").canPlayType('video/mp4; codecs="avc1.42C01F"')"""
"""Firefox on Linux needs the system's FFmpeg for it."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", BROWSERS)
async def test_a_browser_plays_it(name: str, tmp_path: Path) -> None:
    async with (
        serving("--model", "motion") as server,
        camera(server, "door"),
        browsing_with(name, tmp_path) as browser,
    ):
        await server.until(lambda s: s.get("delivered", 0) > 1, path="/api/streams/door")
        page = await browser.new_page()
        await page.goto(f"{server.url}/docs")
        if not await page.evaluate(KNOWN):
            pytest.skip(f"this {name} plays no H.264")
        assert await page.evaluate(PLAY, "/video/door.mp4") == [320, 180]
        told = await server.stream("door")
        assert told["viewer_stats"][0]["sent"] > 10
