"""Spends a scrape's deadline and an account's budget well."""
