"""Engines: what turns chat messages and an image into a completion."""
