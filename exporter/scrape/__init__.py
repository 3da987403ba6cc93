"""Answers scrapes before their deadline, and decides which calls to make within the budget."""
