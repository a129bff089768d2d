"""The replay's view of status lists: which positions are used, which are taken back. Shell.

Two bytes of memory a position, however many people there are.
"""

from collections.abc import Iterator
from typing import Final

from issuer.core import Secrets
from issuer.errors import IntegrityError
from issuer.findings import Finding, Topic
from issuer.lists import check_list_row, day_of
from issuer.lostpositions import lost_positions
from issuer.pseudonym import positions
from issuer.store import Row, Store
from verifier.claims import ParsedCode

__all__ = ["Positions"]

_LISTS: Final = "SELECT number, day, size, cursor, mac FROM status_list ORDER BY number"
_CHANGES: Final = "SELECT list_number, status_index, status FROM status_change"


class Positions:
    """What the batches say about every list, to be held against the lists' own rows."""

    def __init__(self, store: Store, secrets: Secrets) -> None:
        self._store = store
        self._secrets = secrets
        self._lists: dict[int, Row] = {}
        self._changed: list[str] = []
        for row in store.rows(_LISTS):
            try:
                check_list_row(secrets, row)
                self._lists[row[0]] = row
            except IntegrityError as error:
                self._changed.append(str(error))
        try:
            self._lost = lost_positions(store, secrets)
        except IntegrityError as error:
            self._lost = {}
            self._changed.append(str(error))
        self._used = {number: bytearray(row[2]) for number, row in self._lists.items()}
        self._status = {number: bytearray(row[2]) for number, row in self._lists.items()}
        self.unknown = 0  # codes that nobody can read any more, because a person was erased

    def use(self, code: ParsedCode, status: int) -> str | None:
        """Note a code and what became of it; what is wrong with its position, if anything is."""
        row, index = self._lists.get(code.list_number), code.status_index
        if row is None or index >= row[2]:
            return "there is no such position"
        if day_of(code.exp) != row[1]:
            return "in a list for another day"
        if self._used[code.list_number][index]:
            return "a position that another code has as well"
        self._used[code.list_number][index] = 1
        self._status[code.list_number][index] = status
        return None

    def findings(self) -> Iterator[Finding]:
        """What does not fit between batches, cursors and changes."""
        for why in self._changed:
            yield Finding(Topic.LIST, None, why)
        for number in self._lost.keys() - self._lists.keys():
            yield Finding(Topic.LIST, None, f"status list {number}: its row is gone")
        for row in self._lists.values():
            yield from self._unordered(row)
        yield from self._changes()

    def _unordered(self, row: Row) -> Iterator[Finding]:
        number, _, size, cursor, _ = row
        given_out = bytearray(size)
        for index in positions(self._secrets.positions, number, size, first=0, count=cursor):
            given_out[index] = 1
        used = self._used[number]
        strange = sum(1 for is_used, given in zip(used, given_out, strict=True) if is_used > given)
        if strange:
            yield Finding(Topic.POSITION, None, f"list {number}: {strange} out of order")
        missing = cursor - sum(used) + strange
        # Whose the lost positions are, a lost database knew.
        if missing and not self.unknown and number not in self._lost:
            yield Finding(Topic.POSITION, None, f"list {number}: {missing} without a code")

    def _changes(self) -> Iterator[Finding]:
        for number, index, status in self._store.stream(_CHANGES):
            expected = self._status.get(number)
            if expected is None or not 0 <= index < len(expected):
                yield Finding(Topic.STATUS, None, f"list {number}: no such position")
            elif expected[index] == status or (number in self._lost and status):
                expected[index] = 0  # in a lost list, other codes were taken back in public
            elif not self.unknown:
                yield Finding(Topic.STATUS, None, f"list {number}: entry {index} is {status}")
        for number, statuses in self._status.items():
            missing = len(statuses) - statuses.count(0)
            if missing:
                yield Finding(Topic.STATUS, None, f"list {number}: {missing} are not taken back")
