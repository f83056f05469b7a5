"""Plugins, one file each; the file's name is the plugin's name."""
