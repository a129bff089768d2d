"""The Merkle tree hash as RFC 9162 §2.1.1 defines it, by recursion over all leaves."""

import hashlib
from collections.abc import Sequence
from functools import cache

__all__ = ["leaf", "naive_root"]


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


@cache
def _root(leaves: tuple[bytes, ...]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes."""
    return _root(tuple(leaves))
