"""Events on their way to the log: written with what they tell of, appended before any release.

A transaction that changes people's records stages its events in `outbox`, so that what is in the
database and what is in the log cannot part for good. `settle` appends them; whatever a caller
waits for is released only after it returned. The log has everything in the order of the
transactions, whichever process wrote them: what another one still owes is appended before what
came after it. Shell. The invariants: docs/spec/issuing.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import cbor2

from audit.events import Event, decode_event, encode_event
from issuer.errors import IntegrityError, LogBehindError
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Row, Store

__all__ = ["EventLog", "Handover", "Staged", "staged"]

_SEQUENCES: Final = "SELECT sequence FROM outbox"
_INSERT: Final = "INSERT INTO outbox (sequence, tree_size, events, mac) VALUES (?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM outbox WHERE sequence = ?"
_ALL: Final = "SELECT sequence, tree_size, events, mac FROM outbox ORDER BY sequence"


class EventLog(Protocol):
    """What the issuer needs of `audit.log.Log`."""

    def size(self) -> int:
        """How many entries the log has."""

    def append(
        self, events: Iterable[Event], *, now: int, bodies: Iterable[bytes] | None
    ) -> list[int]:
        """Leaf indexes; durable on return; appending an event twice has one effect."""

    def knows(self, event_ids: Iterable[bytes]) -> set[bytes]:
        """Which of these events the log holds."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One row of the outbox. *tree_size*: of the log when the row was written."""

    sequence: int
    tree_size: int
    events: list[Event]
    bodies: list[bytes]


def staged(store: Store, secrets: Secrets) -> list[Staged]:
    """Everything in the outbox, oldest first.

    Raises:
        IntegrityError: A row is not as the issuer wrote it.
    """
    return [_staged(row, secrets) for row in store.rows(_ALL)]


def _staged(row: Row, secrets: Secrets) -> Staged:
    sequence, tree_size, blob, tag = row
    if mac(secrets.rows, "outbox", (sequence, tree_size, blob)) != tag:
        raise IntegrityError(f"outbox row {sequence} was changed")
    bodies = cbor2.loads(blob)
    return Staged(sequence, tree_size, list(map(decode_event, bodies)), bodies)


class Handover:
    """Stages and settles for one writer. Not for several threads at once."""

    __slots__ = ("_last", "_log", "_secrets", "_settled", "_size")

    def __init__(self, log: EventLog, secrets: Secrets) -> None:
        self._log = log
        self._secrets = secrets
        self._size = log.size()
        self._last = 0  # row of the outbox, as the present transaction sees it
        self._settled: set[int] = set()  # rows of the outbox that the log is known to hold

    def owed(self, store: Store) -> list[Staged]:
        """What stands in the outbox and may not be in the log yet, oldest first.

        By another process, or by a commit of ours that failed and stands all the same. Ask before
        the work of each transaction.

        Raises:
            IntegrityError: One of these rows was changed.
        """
        there = {sequence for (sequence,) in store.rows(_SEQUENCES)}
        self._last = max(there, default=0)
        self._settled &= there
        unknown = there - self._settled
        rows = store.rows(_ALL) if unknown else []
        return [_staged(row, self._secrets) for row in rows if row[0] in unknown]

    def stage(self, store: Store, events: list[Event]) -> list[Staged]:
        """Write *events* in the caller's transaction, in the place of those settled before.

        One row stays behind when all is settled: it remembers how large the log was.
        """
        if not events:
            return []
        sequence = self._last + 1
        bodies = list(map(encode_event, events))
        blob = cbor2.dumps(bodies)
        tag = mac(self._secrets.rows, "outbox", (sequence, self._size, blob))
        store.many(_DELETE, [(settled,) for settled in self._settled])
        store.run(_INSERT, (sequence, self._size, blob, tag))
        return [Staged(sequence, self._size, events, bodies)]

    def settle(self, owed: list[Staged], own: list[Staged], *, now: int) -> int:
        """Append what is owed and then our own, once it is committed; how much had been owed.

        On an error it stays in the outbox, and nothing is released.

        Raises:
            LogBehindError: The log is smaller than it once was.
            AuditError: The log does not take it.
        """
        ids = {event.event_id for row in owed for event in row.events}
        known = self._log.knows(ids) if ids else set()
        if known != ids:
            self._require_whole(owed)
        rows = [*owed, *own]
        logged = [
            (event, body)
            for row in rows
            for event, body in zip(row.events, row.bodies, strict=True)
            if event.event_id not in known
        ]
        if logged:
            events, bodies = zip(*logged, strict=True)
            indices = self._log.append(events, now=now, bodies=bodies)
            self._size = max(self._size, max(indices) + 1)
        self._settled.update(row.sequence for row in rows)
        return len(ids - known)

    def _require_whole(self, owed: list[Staged]) -> None:
        self._size = self._log.size()
        largest = max(row.tree_size for row in owed)
        if self._size < largest:
            raise LogBehindError(f"the log has {self._size} entries, once it had {largest}")

    def require_known(self, event_ids: list[bytes]) -> None:
        """Refuse to release what the log does not hold.

        Raises:
            LogBehindError: It does not hold all of these.
        """
        if event_ids and not set(event_ids) <= self._log.knows(event_ids):
            raise LogBehindError("a batch of codes is not in the log: recover before releasing it")
