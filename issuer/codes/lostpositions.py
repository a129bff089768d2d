"""Positions that a lost database gave out: all of their codes count as taken back. Shell.

A copy knows how far each list was used when it was made. What was used afterwards is known to the
lost database alone; the order of the list (`issuer.codes.pseudonym`) says which positions those
can be.
"""

from functools import lru_cache
from typing import Final

from issuer.codes.pseudonym import positions
from issuer.errors import IntegrityError
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Store
from issuer.storage.tx import Tx
from verifier.statuslist import Status

__all__ = ["lose_positions", "lost_positions", "lost_statuses"]

_SUPERSEDED: Final = bytes((Status.SUPERSEDED * 0x55,))  # four entries
_LOST: Final = "SELECT list_number, first, mac FROM lost_position"
_LOSE: Final = (
    "INSERT INTO lost_position (list_number, first, mac) VALUES (?, ?, ?)"
    " ON CONFLICT (list_number) DO NOTHING"
)


def lose_positions(tx: Tx, number: int, first: int) -> None:
    """Note that the list's positions from this place of its order on are lost."""
    tx.store.run(_LOSE, (number, first, _mac(tx.secrets, number, first)))


def lost_positions(store: Store, secrets: Secrets) -> dict[int, int]:
    """List number to the place of its order from which on positions were lost.

    Raises:
        IntegrityError: A row was changed.
    """
    found = {}
    for number, first, tag in store.rows(_LOST):
        if _mac(secrets, number, first) != tag:
            raise IntegrityError(f"lost positions of list {number}: the row was changed")
        found[number] = first
    return found


@lru_cache(maxsize=1024)
def lost_statuses(list_key: bytes, number: int, size: int, first: int) -> bytes:
    """A packed list in which every code of a lost database is taken back, and nothing else."""
    packed = bytearray(_SUPERSEDED * (size // 4))
    for position in positions(list_key, number, size, first=0, count=first):
        packed[position >> 2] &= ~(3 << 2 * (position & 3))
    return bytes(packed)


def _mac(secrets: Secrets, number: int, first: int) -> bytes:
    return mac(secrets.rows, "lost_position", (number, first))
