"""Decoys: entries of a status list that are taken back though they belong to nobody. Pure.

The last places of a list's order are never given out. A number of them, drawn for each list between
none and all with equal odds, is marked at random moments while the list lives. So from the entries
taken back, nobody can tell the codes taken back but for a range as wide as the reserve. All of it
follows from the positions secret: nothing is stored, and an auditor with the secret tells a decoy
from a change that nobody made.

Spec page: docs/spec/issuing.md; ADR 0010.
"""

import sys
from array import array
from collections.abc import Iterator
from typing import Final

from issuer.codes.mint import DAY_S
from issuer.codes.pseudonym import keystream, positions
from issuer.publication.statusfiles import Change
from verifier.statuslist import Status

__all__ = ["DAYS_AHEAD", "capacity", "decoys", "reserve"]

#: Lists are opened for today and so many days ahead: the longest code ends within them.
DAYS_AHEAD: Final = 9
#: One place in so many is kept back. On average half of them are marked: 0.1 % of the list.
_SHARE: Final = 512
#: One decoy in so many is withdrawn, the others are superseded.
_WITHDRAWN_SHARE: Final = 20
_DRAW_BYTES: Final = 8


def reserve(size: int) -> int:
    """How many places of a list of *size* entries are never given out."""
    return size // _SHARE


def capacity(size: int) -> int:
    """How many are."""
    return size - reserve(size)


def decoys(list_key: bytes, number: int, size: int, day: int) -> Iterator[Change]:
    """All decoys that the list will ever have.

    Args:
        list_key: 32 bytes, the positions secret.
        number: The list's number.
        size: How many entries it has.
        day: The day on which its codes end (days since 1970).
    """
    kept = reserve(size)
    stream = keystream(
        list_key, number, size, (1 + 2 * kept) * _DRAW_BYTES, person=b"celadon decoys.."
    )
    draws = array("Q", stream)
    if sys.byteorder == "big":
        draws.byteswap()
    count = draws[0] % (kept + 1)
    begin = (day + 1 - DAYS_AHEAD) * DAY_S
    places = positions(list_key, number, size, first=capacity(size), count=count)
    for turn, position in enumerate(places):
        moment, kind = draws[1 + 2 * turn], draws[2 + 2 * turn]
        status = Status.SUPERSEDED if kind % _WITHDRAWN_SHARE else Status.WITHDRAWN
        yield Change(position, status, begin + moment % (DAYS_AHEAD * DAY_S))
