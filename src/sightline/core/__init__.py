"""Words that every folder shares: types, errors, mailboxes, metrics. Imports nothing of Sightline's."""
