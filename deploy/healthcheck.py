"""Health check of the container: requests /health from its server, over HTTP or HTTPS with any certificate."""

import os
import ssl
import urllib.request

port = os.environ.get("SIGHTLINE_PORT", "8000")
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
except OSError:
    urllib.request.urlopen(f"https://127.0.0.1:{port}/health", timeout=1, context=context)
