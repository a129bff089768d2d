"""Positions out of the database: a cursor per status list, moved by compare and set. Shell.

Codes that end on the same day share lists, whatever their medium, so a list can be forgotten when
its day is over. Numbers come from the issuer's range on the trust list, one after the other; no
number and no position is ever used twice.
"""

from collections.abc import Mapping
from typing import Final

from issuer.core import Secrets
from issuer.errors import IntegrityError, ListsExhaustedError
from issuer.mint import DAY_S
from issuer.pseudonym import LIST_SIZE, positions
from issuer.sealing import mac
from issuer.store import Row
from issuer.tx import Tx
from verifier.claims import Cti

__all__ = ["check_list_row", "day_of", "list_mac", "open_lists", "take_positions"]

_OPEN: Final = (
    "SELECT number, day, size, cursor, mac FROM status_list"
    " WHERE day {keys} AND cursor < size ORDER BY number"
)
_LAST: Final = "SELECT max(number) FROM status_list WHERE number BETWEEN ? AND ?"
_NEW: Final = "INSERT INTO status_list (number, day, size, cursor, mac) VALUES (?, ?, ?, ?, ?)"
_MOVE: Final = "UPDATE status_list SET cursor = ?, mac = ? WHERE number = ? AND cursor = ?"


def list_mac(secrets: Secrets, number: int, day: int, size: int, cursor: int) -> bytes:
    """16 bytes over one row of `status_list`."""
    return mac(secrets.rows, "status_list", (number, day, size, cursor))


def check_list_row(secrets: Secrets, row: Row) -> None:
    """Refuse a row that the issuer did not write.

    Raises:
        IntegrityError: Somebody changed it; positions could be used twice.
    """
    number, day, size, cursor, tag = row
    if list_mac(secrets, number, day, size, cursor) != tag:
        raise IntegrityError(f"status list {number}: its row was changed")


def take_positions(
    tx: Tx, wanted: Mapping[int, int], *, size: int = LIST_SIZE
) -> dict[int, list[Cti]]:
    """Burn positions: they stay burned if the transaction commits, whatever becomes of the codes.

    Args:
        tx: The transaction.
        wanted: Day of exp (days since 1970) to how many.
        size: Entries of a list that has to be opened.

    Raises:
        ListsExhaustedError: The issuer's numbers are used up.
        IntegrityError: A row was changed by somebody else.
    """
    open_lists: dict[int, list[Row]] = {day: [] for day in wanted}
    for row in tx.store.rows_of(_OPEN, list(wanted)):
        check_list_row(tx.secrets, row)
        open_lists[row[1]].append(row)
    return {day: _take(tx, day, count, open_lists[day], size) for day, count in wanted.items()}


def _take(tx: Tx, day: int, count: int, rows: list[Row], size: int) -> list[Cti]:
    taken: list[Cti] = []
    while len(taken) < count:
        number, _, entries, cursor, _ = rows.pop(0) if rows else _open(tx, day, size)
        here = min(count - len(taken), entries - cursor)
        moved = cursor + here
        tag = list_mac(tx.secrets, number, day, entries, moved)
        if tx.store.run(_MOVE, (moved, tag, number, cursor)) != 1:
            raise IntegrityError(f"status list {number}: its cursor moved meanwhile")
        order = positions(tx.secrets.positions, number, entries, first=cursor, count=here)
        taken += [Cti(number, index) for index in order]
    return taken


def _open(tx: Tx, day: int, size: int) -> Row:
    issuer = tx.authority.issuer
    ((last,),) = tx.store.rows(_LAST, (issuer.first_list, issuer.last_list))
    number = issuer.first_list if last is None else last + 1
    if number > issuer.last_list:
        raise ListsExhaustedError(f"all lists up to {issuer.last_list} are in use")
    row = (number, day, size, 0, list_mac(tx.secrets, number, day, size, 0))
    tx.store.run(_NEW, row)
    tx.opened.add(number)
    return row


def open_lists(tx: Tx, days: range, *, size: int = LIST_SIZE) -> frozenset[int]:
    """Open a list for each of these days that has none with half of its positions left.

    A door can only look up what was published before the first code came from it, so lists are
    opened ahead. Gives the numbers of the new ones.
    """
    roomy = {
        row[1] for row in tx.store.rows_of(_OPEN, list(days)) if 2 * (row[2] - row[3]) >= row[2]
    }
    return frozenset(_open(tx, day, size)[0] for day in days if day not in roomy)


def day_of(exp: int) -> int:
    """The day whose lists a code with this end uses."""
    return exp // DAY_S
