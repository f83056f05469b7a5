"""Puts the files that the pages take from npm into ``src/sightline/web/vendor``: ``python packaging/npm/vendor.py``.

The wheel's build does the same (``hatch_build.py``). Needs npm, and nothing else; without it the pages do without
in-browser mode and plots, and say so. What npm downloads is held to ``package-lock.json``.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parents[1] / "src" / "sightline" / "web" / "vendor"
STAMP = "package-lock.json"
"""A copy of the lock file that the files came by."""
ONNX = "node_modules/onnxruntime-web/dist"
FILES = (
    f"{ONNX}/ort.wasm.min.mjs",  # CPU: 14 MB of WebAssembly, 3.7 MB compressed, as which it is kept
    f"{ONNX}/ort-wasm-simd-threaded.mjs",
    f"{ONNX}/ort-wasm-simd-threaded.wasm",
    f"{ONNX}/ort.jspi.min.mjs",  # WebGPU, in browsers that have JSPI: 17 MB, 4.1 MB compressed
    f"{ONNX}/ort-wasm-simd-threaded.jspi.mjs",
    f"{ONNX}/ort-wasm-simd-threaded.jspi.wasm",
    "node_modules/uplot/dist/uPlot.iife.min.js",
    "node_modules/uplot/dist/uPlot.min.css",
    "node_modules/uplot/LICENSE",
)
TIMEOUT_S = 300


def vendor() -> str | None:
    """Get the files unless they are there already. Returns why there are none, or None where all is well."""
    lock = (HERE / STAMP).read_bytes()
    stamp = VENDOR / STAMP
    if stamp.is_file() and stamp.read_bytes() == lock:
        return None
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("package.json", STAMP, ".npmrc"):
            shutil.copy(HERE / name, work / name)
        try:
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=work,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm ci took more than {TIMEOUT_S} s"
        if done.returncode:
            return f"npm ci failed: {done.stderr.strip()[-400:]}"
        _place(work, lock)
    return None


def _place(work: Path, lock: bytes) -> None:
    """Copy the files; the stamp comes last, so that half a folder never looks whole."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    VENDOR.mkdir(parents=True)
    for name in FILES:
        target = "uPlot.LICENSE" if name.endswith("LICENSE") else Path(name).name
        if target.endswith(".wasm"):  # browsers take it compressed, and an installation is 23 MB smaller
            (VENDOR / f"{target}.gz").write_bytes(gzip.compress((work / name).read_bytes(), 9, mtime=0))
        else:
            shutil.copy(work / name, VENDOR / target)
    shutil.copy(HERE / "onnxruntime-web.LICENSE", VENDOR)
    (VENDOR / STAMP).write_bytes(lock)


if __name__ == "__main__":
    why = vendor()
    if why is not None:
        sys.exit(f"The pages do without in-browser mode and plots: {why}")
