"""Ids that agree between processes, machines and joined datasets."""

import hashlib


def stable_id(text: str) -> int:
    """A hash in [0, 2^53): exact in any number type of 64 bits; also of a file's name that is not UTF-8."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=8).digest(), 'big') >> 11
