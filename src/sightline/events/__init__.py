"""The journal of events: each is stored first, then told. ``store`` has the files, ``journal`` the order."""
