"""``python -m sightline`` is ``sightline``."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit status for Ctrl-C: 128 and SIGINT."""


def main() -> None:
    """Run the command line. Ctrl-C ends it without a traceback also while it is still being loaded."""
    try:
        from sightline.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
