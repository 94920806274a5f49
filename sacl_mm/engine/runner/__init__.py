"""Runners and loops: exact resume, re-ranking, sharded weights."""
