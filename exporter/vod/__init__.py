"""Speaks to ApsaraVideo VOD; knows nothing of Prometheus."""
