"""Runs of a model over files, without a server."""
