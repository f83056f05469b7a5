"""Cameras of this network, which are looked for on a person's word: by WS-Discovery, as ONVIF has it, and by mDNS."""
