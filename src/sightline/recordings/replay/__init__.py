"""Recordings looked at again, and what came of it beside what was found then."""
