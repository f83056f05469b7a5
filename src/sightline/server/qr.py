"""QR codes for phones."""

from __future__ import annotations

import io

import segno


def data_uri(text: str) -> str:
    """A code as a data: URL for a page; always black on white, whatever the page's colours are."""
    return segno.make(text, error="m", micro=False).svg_data_uri(scale=8, border=3, dark="#000", light="#fff")


def for_terminal(text: str) -> str:
    """A code in characters, with two rows in each line."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, border=2, compact=True)
    return "".join(f"\x1b[97;40m{line}\x1b[0m\n" for line in out.getvalue().splitlines())  # whatever its colours are
