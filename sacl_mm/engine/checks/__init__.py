"""Checks before a run starts: configurations, data, weights, files."""
