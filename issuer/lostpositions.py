"""Positions that a lost database gave out: all of their codes count as taken back. Shell.

A copy knows how far each list was used when it was made. What was used afterwards is known to the
lost database alone; the order of the list (`issuer.pseudonym`) says which positions it can be.
"""

from typing import Final

from issuer.core import Secrets
from issuer.errors import IntegrityError
from issuer.pseudonym import positions
from issuer.sealing import mac
from issuer.store import Store
from issuer.tx import Tx
from verifier.statuslist import Status

__all__ = ["lose_positions", "lost_positions", "lost_statuses"]

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


def lost_statuses(secrets: Secrets, number: int, size: int, first: int) -> dict[int, Status]:
    """The codes of a lost database in one list: all of them are taken back."""
    order = positions(secrets.positions, number, size, first=first, count=size - first)
    return dict.fromkeys(order, Status.SUPERSEDED)


def _mac(secrets: Secrets, number: int, first: int) -> bytes:
    return mac(secrets.rows, "lost_position", (number, first))
