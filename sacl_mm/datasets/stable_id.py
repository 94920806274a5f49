"""Ids that agree between processes, machines and joined datasets."""

import hashlib


def stable_id(text: str) -> int:
    """A hash in [0, 2^53): exact in any number type of 64 bits."""
    # A lone surrogate is no UTF-8, but it occurs in names of files.
    return int.from_bytes(hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=8).digest(), 'big') >> 11
