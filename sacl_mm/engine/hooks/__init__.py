"""Hooks: checkpoints, evidence and a progress bar."""
