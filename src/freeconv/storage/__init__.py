"""Stored files: whole or absent, and verified when they are read."""
