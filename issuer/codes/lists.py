"""Positions out of the database: a cursor per status list, moved by compare and set. Shell.

Codes that end on the same day share lists, whatever their medium, so a list can be forgotten when
its day is over. Each day has several lists, and the codes of one request are dealt over them.
Numbers come from the issuer's range on the trust list, one after the other; no number and no
position is ever used twice.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from itertools import chain, zip_longest
from typing import Final

from issuer.codes.mint import DAY_S
from issuer.codes.pseudonym import LIST_SIZE, positions
from issuer.errors import IntegrityError, ListsExhaustedError
from issuer.publication.decoys import capacity
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Row
from issuer.storage.tx import Tx
from verifier.claims import Cti

__all__ = [
    "LISTS_A_DAY", "SPREAD_S", "check_list_row", "day_of", "due_at", "list_mac", "open_lists",
    "take_positions",
]  # fmt: skip

#: Lists of one day that are in use at the same time.
LISTS_A_DAY: Final = 4
#: A code that is taken back is published as such within so many seconds.
SPREAD_S: Final = 600

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


def take_positions(tx: Tx, wanted: Mapping[int, int]) -> dict[int, list[Cti]]:
    """Burn positions: they stay burned if the transaction commits, whatever becomes of the codes.

    Args:
        tx: The transaction.
        wanted: Day of exp (days since 1970) to how many.

    Raises:
        ListsExhaustedError: The issuer's numbers are used up.
        IntegrityError: A row was changed by somebody else.
    """
    in_use: dict[int, list[Row]] = {day: [] for day in wanted}
    for row in tx.store.rows_of(_OPEN, list(wanted)):
        check_list_row(tx.secrets, row)
        in_use[row[1]].append(row)
    return {day: _take(tx, day, count, in_use[day]) for day, count in wanted.items()}


def _take(tx: Tx, day: int, count: int, rows: list[Row]) -> list[Cti]:
    """Positions of the day's lists in turn, so that neighbours stand in different lists."""
    dealt: list[list[Cti]] = []
    while count:
        lists = sorted((row for row in rows if _free(row) > 0), key=_cursor)[:LISTS_A_DAY]
        while len(lists) < min(LISTS_A_DAY, count):
            lists.append(_open(tx, day, LIST_SIZE))
        rows = []
        for turn, row in enumerate(lists):
            here = min(-(-count // (len(lists) - turn)), _free(row))
            count -= here
            dealt.append(_take_here(tx, row, here))
    return [cti for cti in chain.from_iterable(zip_longest(*dealt)) if cti is not None]


def _take_here(tx: Tx, row: Row, count: int) -> list[Cti]:
    number, day, size, cursor, _ = row
    if not count:
        return []
    moved = cursor + count
    tag = list_mac(tx.secrets, number, day, size, moved)
    if tx.store.run(_MOVE, (moved, tag, number, cursor)) != 1:
        raise IntegrityError(f"status list {number}: its cursor moved meanwhile")
    order = positions(tx.secrets.positions, number, size, first=cursor, count=count)
    return [Cti(number, index) for index in order]


def _free(row: Row) -> int:
    _, _, size, cursor, _ = row
    return int(capacity(size) - cursor)


def _cursor(row: Row) -> int:
    return int(row[3])


def _open(tx: Tx, day: int, size: int) -> Row:
    issuer = tx.authority.issuer
    ((last,),) = tx.store.rows(_LAST, (issuer.first_list, issuer.last_list))
    number = issuer.first_list if last is None else last + 1
    if number > issuer.last_list:
        raise ListsExhaustedError(f"all lists up to {issuer.last_list} are in use")
    row = (number, day, size, 0, list_mac(tx.secrets, number, day, size, 0))
    tx.store.run(_NEW, row)
    return row


def open_lists(tx: Tx, days: range, *, size: int = LIST_SIZE) -> frozenset[int]:
    """See to it that each of these days has enough lists with half of their positions left.

    A door can only look up what was published before the first code came from it, so lists are
    opened ahead. Gives the numbers of the new ones.
    """
    rows = tx.store.rows_of(_OPEN, list(days))
    roomy = Counter(row[1] for row in rows if 2 * _free(row) >= row[2])
    return frozenset(
        _open(tx, day, size)[0] for day in days for _ in range(LISTS_A_DAY - roomy[day])
    )


def due_at(secrets: Secrets, number: int, index: int, *, taken_back_at: int) -> int:
    """When it becomes public that the code at this position was taken back.

    At a moment that the position's own secret decides, so whoever watches the lists cannot put
    one person's codes together, nothing has to be remembered, and the replay can tell it again.
    """
    named = number.to_bytes(4, "big") + index.to_bytes(4, "big")
    drawn = hashlib.blake2b(
        named, key=secrets.positions, digest_size=8, person=b"celadon take out"
    ).digest()
    return taken_back_at + int.from_bytes(drawn, "big") % SPREAD_S


def day_of(exp: int) -> int:
    """The day whose lists a code with this end uses."""
    return exp // DAY_S
