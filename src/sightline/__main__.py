"""``python -m sightline`` is ``sightline``."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress

INTERRUPTED = 130
"""Exit status for Ctrl-C: 128 and SIGINT."""


class _End:
    """Ends the process once all else that is to be done at its end is done.

    Python would go on to take itself apart. A thread that is in FFmpeg's code then, as one is that waits for a camera,
    crashes the process as soon as FFmpeg has something to say; and to look for garbage takes half a second of CPU.
    """

    status = 0

    def __call__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # nobody reads it, it is closed, there is none
                stream.flush()
        os._exit(self.status)


def main() -> None:
    """Run the command line. Ctrl-C ends it without a traceback also while it is still being loaded."""
    end = _End()
    atexit.register(end)  # before all others, so it is called after them
    try:
        from sightline.cli import main as run

        run()
    except KeyboardInterrupt:
        end.status = INTERRUPTED
    except SystemExit as e:
        end.status = e.code if isinstance(e.code, int) else int(e.code is not None)
        raise
    except BaseException:
        end.status = 1
        raise


if __name__ == "__main__":
    main()
