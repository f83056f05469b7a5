"""Whether a camera was covered or moved: ``watch`` takes a stream's frames, ``judge`` decides, by each one's
``structure``."""
