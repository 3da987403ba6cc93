"""Turns a snapshot into metric families and bytes."""
