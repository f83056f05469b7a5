"""The race: Sightline beside its peers, each in a virtual environment of its own, in turns. ``make race`` runs it."""
