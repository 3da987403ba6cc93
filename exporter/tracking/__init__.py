"""Tracks tasks and jobs, counts the finished ones, and stores the state."""
