"""Training on your own images: what `--data PATH` does, and features of frozen encoders that are computed once."""
