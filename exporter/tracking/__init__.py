"""Decides what is watched and remembers what was seen."""
