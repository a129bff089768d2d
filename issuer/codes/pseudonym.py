"""Positions in status lists: every one once, in an order that says nothing. Pure.

The order in which a list's positions are given out is a Feistel network over the list's places,
with round functions drawn from a libsodium keystream of (list key, list number, size): a
permutation by construction, so no position can come twice, and without the key the next one cannot
be guessed. Each position is computed when it is needed; the database keeps one number per list,
how many are used.

Spec page: docs/spec/issuing.md; ADR 0010.
"""

import hashlib
import sys
from array import array
from functools import lru_cache
from typing import Final

from nacl import bindings

__all__ = ["LIST_SIZE", "MAX_LIST_SIZE", "Permutation", "keystream", "positions"]

#: Entries of a new list: 32 KiB before compression.
LIST_SIZE: Final = 131_072
MAX_LIST_SIZE: Final = 2**20
#: Four are a pseudorandom permutation (Luby and Rackoff); small domains want more, and the round
#: functions here are random tables. NIST SP 800-38G takes ten.
ROUNDS: Final = 10
_TABLE_ENTRY_BYTES: Final = 2


class Permutation:
    """The order in which one list's positions are used."""

    __slots__ = ("_half", "_rounds", "size")

    def __init__(self, list_key: bytes, number: int, size: int) -> None:
        """Draw the round functions.

        Args:
            list_key: 32 bytes, secret: it orders all lists of one issuer.
            number: The list's number.
            size: How many positions it has, at most 2**20.
        """
        if not 0 < size <= MAX_LIST_SIZE:
            raise ValueError(f"a list has 1 to {MAX_LIST_SIZE} positions, not {size}")
        self.size = size
        self._half = ((size - 1).bit_length() + 1) // 2
        entries = 1 << self._half
        person = b"celadon position"
        stream = keystream(
            list_key, number, size, ROUNDS * entries * _TABLE_ENTRY_BYTES, person=person
        )
        draws = array("H", stream)
        if sys.byteorder == "big":
            draws.byteswap()
        mask = entries - 1
        self._rounds = [
            [draw & mask for draw in draws[start : start + entries]]
            for start in range(0, len(draws), entries)
        ]

    def __getitem__(self, place: int) -> int:
        """The position that is given out at this place of the order."""
        half, rounds = self._half, self._rounds
        mask = (1 << half) - 1
        while True:  # walks the cycle through places beyond the list, back into it
            left, right = place >> half, place & mask
            for drawn in rounds:
                left, right = right, left ^ drawn[right]
            place = left << half | right
            if place < self.size:
                return place


def keystream(list_key: bytes, number: int, size: int, length: int, *, person: bytes) -> bytes:
    """*length* bytes that belong to this list and this use of it, *person* (16 bytes), for ever."""
    seed = hashlib.blake2b(
        number.to_bytes(4, "big") + size.to_bytes(4, "big"),
        key=list_key,
        digest_size=32,
        person=person,
    ).digest()
    stream: bytes = bindings.randombytes_buf_deterministic(length, seed)
    return stream


@lru_cache(maxsize=1024)
def _permutation(list_key: bytes, number: int, size: int) -> Permutation:
    return Permutation(list_key, number, size)


def positions(list_key: bytes, number: int, size: int, *, first: int, count: int) -> list[int]:
    """The *count* positions that follow after *first* have been given out.

    Raises:
        ValueError: The list does not have that many left.
    """
    if not 0 <= first <= first + count <= size:
        raise ValueError(f"{count} positions after {first} do not fit a list of {size}")
    order = _permutation(list_key, number, size)
    return [order[place] for place in range(first, first + count)]
