"""Models by name: what there is, where the weights lie, how they are loaded."""
