"""Confusion counts and what is derived from them."""
