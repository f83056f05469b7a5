"""Programs for the peers. Each runs in its peer's environment, which has neither Sightline nor the bench's helpers."""
