"""What can be known to be wrong before it costs a run: configurations, data, weights, files."""
