"""Messages as bytes and back. No sockets here."""
