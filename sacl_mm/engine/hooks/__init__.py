"""Hooks: checkpoints and a progress bar."""
