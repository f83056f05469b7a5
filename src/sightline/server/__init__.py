"""The HTTP server: pages, API, sign-in."""
