"""Check of a model's file that somebody sent: a process of its own loads it, within limits, and says what it is."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from pathlib import Path

from sightline.core.errors import BadRequest, BadSetting, LimitReached, SightlineError
from sightline.core.types import ModelCard
from sightline.inference.places.messages import LoadRequest
from sightline.inference.places.model_process import ModelProcess
from sightline.inference.plan import MB
from sightline.zoo.foreign import check_start
from sightline.zoo.options import LoadOptions

PATIENCE_S = 60.0
"""Seconds after which the process is ended."""
LEAST_MEMORY = 1 << 30
"""Bytes of memory that the process may take, and once more OF_FILE sizes of the file."""
OF_FILE = 4
FAMILY = re.compile(r"--family (\w+)")
LABELS = re.compile(r", or the names of its classes in \S+\.labels\.txt")
MEMORY = re.compile(r"bad_alloc|MemoryError|Failed to allocate|killed by SIG(KILL|ABRT)", re.I)
"""What a process says, or is said of it, that was given no more memory."""


async def checked(path: Path, size: int, family: str | None) -> ModelCard:
    """Return the card of the model in a file of ``size`` bytes.

    Raises BadSetting where its family has to be said, and BadRequest for what is no model that runs here.
    """
    if sys.platform == "win32":
        raise BadRequest(
            "on Windows no file can be checked in a process of its own: put it on the server, and name it in the "
            "settings' table models"
        )
    try:
        await asyncio.to_thread(check_start, path)  # most of what is no model needs no process
    except SightlineError as e:
        raise _refusal(e, path, 0) from None
    memory = LEAST_MEMORY + OF_FILE * size
    options = LoadOptions(engine="onnx", threads=1, family=family)
    level = logging.getLogger().getEffectiveLevel()
    request = LoadRequest(str(path), path.stem, options, False, memory, log_level=level, foreign=True)
    process = ModelProcess(lambda why: None)
    try:
        await process.start(())
        return (await process.load(request, PATIENCE_S)).card
    except SightlineError as e:
        raise _refusal(e, path, memory) from None
    finally:
        process.kill("the file was checked")
        await process.gone()


def _refusal(error: SightlineError, path: Path, memory: int) -> SightlineError:
    """Return the refusal for whoever sent the file, without this machine's folders."""
    message = error.message.replace(str(path.parent) + "/", "").replace(str(path.parent), "FOLDER")
    if isinstance(error, LimitReached) or MEMORY.search(message):
        return BadRequest(
            f"{path.name} takes more memory than the {memory / MB:.0f} MB that its size allows: {message[:200]}. "
            "Export it with a smaller input, or for one picture at a time"
        )
    families = list(dict.fromkeys(FAMILY.findall(message)))
    if families:
        asked = LABELS.sub("", message).replace("--family ", "family=")  # there is no command line
        return BadSetting(asked, "family", "", " or ".join(families))
    return BadRequest(message)
