"""Sightline turns any camera into a live, annotated, machine-readable stream."""

__version__ = "0.1.0"
