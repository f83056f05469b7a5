"""Streams: publishers, subscribers, and what lies between them."""
