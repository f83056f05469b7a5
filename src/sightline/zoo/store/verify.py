"""Verification of files by hash and size."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

SMALL = 16 << 20
"""Maximum size in bytes of files that are identified by git's hash; larger ones are by their sha256."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Result of checking a file."""

    sha256: str
    size: int
    wrong: str
    """Description of the mismatch; empty if the file is the expected one."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Expected hashes and size of a file. Empty strings and 0 mean unknown."""

    sha256: str = ""
    """All digits or the first ones."""
    git_sha1: str = ""
    size: int = 0


def judge(path: Path, expected: Expected) -> FileCheck:
    """Check a file. Without a known hash it never passes, and with another size it is not read."""
    size = path.stat().st_size
    if expected.size and size != expected.size:
        return FileCheck("", size, f"got {size} bytes, expected {expected.size}")
    digest, wrong = digest_of(path), ""
    if not expected.sha256 and not expected.git_sha1:
        wrong = "neither the card nor the server names a hash of it, so nobody knows whether it is the right one"
    elif not digest.startswith(expected.sha256):
        wrong = f"got a file with sha256 {digest}, expected {expected.sha256}"
    elif expected.git_sha1 and (git := git_sha1_of(path) if size <= SMALL else "none") != expected.git_sha1:
        wrong = f"got a file with git's hash {git}, expected {expected.git_sha1}"
    return FileCheck(digest, size, wrong)


def digest_of(path: Path) -> str:
    """A file's sha256 in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_sha1_of(path: Path) -> str:
    """Git's hash of a small file, as the hub uses it, in hexadecimal digits."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def megabytes(count: int) -> str:
    """Format a number of bytes, such as ``44.4 MB``, or KB below 0.1 MB."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} KB"
