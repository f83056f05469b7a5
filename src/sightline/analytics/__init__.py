"""Stages: steps after the model, one file each."""
