"""Recordings: what cameras sent, and what was seen in it, in plain files that any player opens.

``recorder`` has what is kept of a stream, ``segment`` and ``mp4`` write files, ``lines`` says what is in them beside
the pictures, ``index`` finds them again, ``retention`` removes what is too old or too much, ``recordings`` has it all.
"""
