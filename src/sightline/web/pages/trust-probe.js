/** Does nothing. That a browser takes it at all says that it trusts the certificate: see trust.js. */
