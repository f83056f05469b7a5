"""Plugins: one file each, its name is the plugin's name."""
