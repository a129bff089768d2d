"""Positions in status lists: every one once, in an order that says nothing. Pure.

The order in which a list's positions are given out is the argsort of a libsodium keystream of
(list key, list number): a permutation by construction, so no position can come twice, and without
the key the next one cannot be guessed. The database keeps one number per list: how many are used.

Spec page: docs/spec/issuing.md.
"""

import hashlib
import sys
from array import array
from functools import lru_cache
from typing import Final

from nacl import bindings

__all__ = ["LIST_SIZE", "MAX_LIST_SIZE", "Permutation", "positions"]

#: Entries of a new list: 32 KiB before compression.
LIST_SIZE: Final = 131_072
MAX_LIST_SIZE: Final = 2**20
_SORT_BYTES: Final = 8  # ties among 2**20 draws of 64 bits are rare, and fall to the lower index


class Permutation:
    """The order in which one list's positions are used."""

    __slots__ = ("_order", "size")

    def __init__(self, list_key: bytes, number: int, size: int) -> None:
        """Draw the order.

        Args:
            list_key: 32 bytes, secret: it orders all lists of one issuer.
            number: The list's number.
            size: How many positions it has, at most 2**20.
        """
        if not 0 < size <= MAX_LIST_SIZE:
            raise ValueError(f"a list has 1 to {MAX_LIST_SIZE} positions, not {size}")
        seed = hashlib.blake2b(
            number.to_bytes(4, "big") + size.to_bytes(4, "big"),
            key=list_key,
            digest_size=32,
            person=b"celadon position",
        ).digest()
        draws = array("Q", bindings.randombytes_buf_deterministic(size * _SORT_BYTES, seed))
        if sys.byteorder == "big":
            draws.byteswap()
        self._order = array("I", sorted(range(size), key=draws.__getitem__))
        self.size = size

    def __getitem__(self, window: slice) -> "array[int]":
        """The positions given out at these places of the order."""
        return self._order[window]


@lru_cache(maxsize=64)
def _permutation(list_key: bytes, number: int, size: int) -> Permutation:
    return Permutation(list_key, number, size)


def positions(list_key: bytes, number: int, size: int, *, first: int, count: int) -> "array[int]":
    """The *count* positions that follow after *first* have been given out.

    Raises:
        ValueError: The list does not have that many left.
    """
    if not 0 <= first <= first + count <= size:
        raise ValueError(f"{count} positions after {first} do not fit a list of {size}")
    return _permutation(list_key, number, size)[first : first + count]
