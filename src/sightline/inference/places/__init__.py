"""Places in which models run, one file each."""
