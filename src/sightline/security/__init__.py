"""Tokens, certificates and origins: who may do what."""
