"""What a run does between iterations: checkpoints, and a progress bar."""
