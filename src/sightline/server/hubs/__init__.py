"""Several servers that share their streams: who has which stream, what they tell each other, and the way there."""
