"""The replay's view of status lists: which positions are used, which are taken back. Shell.

A byte of memory a position, and an entry for each that was taken back.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from issuer.codes.lists import check_list_row, day_of, due_at
from issuer.codes.lostpositions import lost_positions
from issuer.codes.pseudonym import positions
from issuer.errors import IntegrityError
from issuer.replay.findings import Finding, Topic
from issuer.storage.core import Secrets
from issuer.storage.store import Row, Store
from verifier.claims import ParsedCode

__all__ = ["Positions"]

_LISTS: Final = "SELECT number, day, size, cursor, mac FROM status_list ORDER BY number"
_CHANGES: Final = "SELECT list_number, status_index, status, due_at FROM status_change"


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
        #: What must stand in `status_change`: status and when it is due.
        self._taken: dict[tuple[int, int], tuple[int, int]] = {}
        #: Codes that nobody can read any more, because a person was erased; those taken back.
        self.unknown = 0
        self.unknown_taken = 0
        #: Positions without a code that can be read, by list.
        self._gaps: dict[int, int] = {}

    def use(self, code: ParsedCode, taken: tuple[int, int] | None) -> str | None:
        """Note a code, and the status that it was given and when, if it was taken back.

        Gives what is wrong with its position, if anything is.
        """
        row, index = self._lists.get(code.list_number), code.status_index
        if row is None or index >= row[2]:
            return "there is no such position"
        if day_of(code.exp) != row[1]:
            return "in a list for another day"
        if self._used[code.list_number][index]:
            return "a position that another code has as well"
        self._used[code.list_number][index] = 1
        if taken is not None:
            status, at = taken
            due = due_at(self._secrets, code.list_number, index, taken_back_at=at)
            self._taken[code.list_number, index] = status, due
        return None

    def findings(self) -> Iterator[Finding]:
        """What does not fit between batches, cursors and changes."""
        for why in self._changed:
            yield Finding(Topic.LIST, None, why)
        for number in self._lost.keys() - self._lists.keys():
            yield Finding(Topic.LIST, None, f"status list {number}: its row is gone")
        for row in self._lists.values():
            yield from self._unordered(row)
        if sum(self._gaps.values()) > self.unknown:
            for number, missing in self._gaps.items():
                yield Finding(Topic.POSITION, None, f"list {number}: {missing} without a code")
        yield from self._changes()

    def _unordered(self, row: Row) -> Iterator[Finding]:
        number, _, size, cursor, _ = row
        given_out = bytearray((cursor == size,)) * size  # all, or those that follow
        given = 0 if cursor == size else cursor
        for index in positions(self._secrets.positions, number, size, first=0, count=given):
            given_out[index] = 1
        # As numbers of a byte an entry: a loop over all entries of all lists takes minutes.
        used, given = (int.from_bytes(each) for each in (self._used[number], given_out))
        strange = (used & ~given).bit_count()
        if strange:
            yield Finding(Topic.POSITION, None, f"list {number}: {strange} out of order")
        missing = cursor - used.bit_count() + strange
        # Whose the lost positions are, a lost database knew.
        if missing and number not in self._lost:
            self._gaps[number] = missing

    def _changes(self) -> Iterator[Finding]:
        unexplained = []
        for number, index, *found in self._store.stream(_CHANGES):
            row = self._lists.get(number)
            if row is None or not 0 <= index < row[2]:
                yield Finding(Topic.STATUS, None, f"list {number}: no such position")
            elif self._taken.pop((number, index), None) == tuple(found):
                pass
            elif number in self._lost and found[0]:
                pass  # in a lost list, other codes were taken back in public
            else:
                status, due = found
                so = f"status {status}, due_at {due}"
                unexplained.append(f"list {number}, entry {index}: not taken back so: {so}")
        if len(unexplained) > self.unknown_taken:
            for why in unexplained:
                yield Finding(Topic.STATUS, None, why)
        elif len(unexplained) < self.unknown_taken and not self._lost:
            yield Finding(Topic.STATUS, None, "codes of erased people are not taken back")
        for number, missing in Counter(number for number, _ in self._taken).items():
            yield Finding(Topic.STATUS, None, f"list {number}: {missing} are not taken back")
