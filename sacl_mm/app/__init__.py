"""A local web page to explore a model with: search, weights, suspected false negatives. `tools/explore.py` starts it."""
