"""Who may do what: tokens, certificates, origins."""
