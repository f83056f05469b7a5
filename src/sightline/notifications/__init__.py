"""Web Push: the services that are known, this server's own key, and who subscribed."""
