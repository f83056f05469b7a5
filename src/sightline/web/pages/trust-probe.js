/** Does nothing. A browser takes it only if it trusts the certificate: see trust.js. */
