"""Events on their way to the log: written with what they tell of, appended before any release.

A transaction that changes people's records stages its events in `outbox`, so that what is in the
database and what is in the log cannot part for good. `settle` appends them; whatever a caller
waits for is released only after it returned. Shell. The invariants: docs/spec/issuing.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import cbor2

from audit.events import Event, decode_event, encode_event
from issuer.errors import IntegrityError, LogBehindError
from issuer.storage.core import Secrets
from issuer.storage.sealing import mac
from issuer.storage.store import Store

__all__ = ["EventLog", "Handover", "Staged", "staged"]

_NEXT: Final = "SELECT coalesce(max(sequence), 0) + 1 FROM outbox"
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
    found = []
    for sequence, tree_size, blob, tag in store.rows(_ALL):
        if mac(secrets.rows, "outbox", (sequence, tree_size, blob)) != tag:
            raise IntegrityError(f"outbox row {sequence} was changed")
        bodies = cbor2.loads(blob)
        found.append(Staged(sequence, tree_size, list(map(decode_event, bodies)), bodies))
    return found


class Handover:
    """Stages and settles for one writer. Not for several threads at once."""

    __slots__ = ("_done", "_doubted", "_log", "_pending", "_secrets", "_size", "_staging")

    def __init__(self, log: EventLog, secrets: Secrets) -> None:
        self._log = log
        self._secrets = secrets
        self._size = log.size()
        self._staging: Staged | None = None
        self._doubted: Staged | None = None  # its commit failed, and may stand all the same
        self._pending: list[Staged] = []
        self._done: list[int] = []  # in the log, and still in the outbox

    def stage(self, store: Store, events: list[Event]) -> None:
        """Write *events* in the caller's transaction, in the place of those settled before.

        One row stays behind when all is settled: it remembers how large the log was.
        """
        if not events:
            return
        ((sequence,),) = store.rows(_NEXT)
        bodies = list(map(encode_event, events))
        blob = cbor2.dumps(bodies)
        tag = mac(self._secrets.rows, "outbox", (sequence, self._size, blob))
        store.many(_DELETE, [(done,) for done in self._done])
        store.run(_INSERT, (sequence, self._size, blob, tag))
        self._staging = Staged(sequence, self._size, events, bodies)

    def committed(self) -> None:
        """The transaction that staged is durable: its events are owed to the log."""
        if self._staging is not None:
            self._done.clear()
            self._pending.append(self._staging)
            self._staging = None

    def failed(self) -> None:
        """The transaction failed. If it had staged, it failed at its commit: that may stand."""
        self._doubted, self._staging = self._staging or self._doubted, None

    def look_back(self, store: Store) -> None:
        """Owe what a failed commit left in the outbox, if it stands. Before the next work.

        Raises:
            IntegrityError: A row of the outbox was changed.
        """
        doubted = self._doubted
        if doubted is None:
            return
        if any(row.bodies == doubted.bodies for row in staged(store, self._secrets)):
            self._pending.append(doubted)
        self._doubted = None

    def settle(self, *, now: int) -> None:
        """Append what is owed, oldest first. On an error it is still owed, and nothing is released.

        Raises:
            AuditError: The log does not take it.
        """
        if not self._pending:
            return
        events = [event for row in self._pending for event in row.events]
        bodies = [body for row in self._pending for body in row.bodies]
        indices = self._log.append(events, now=now, bodies=bodies)
        self._size = max(self._size, max(indices) + 1)
        self._done += [row.sequence for row in self._pending]
        self._pending.clear()

    def require_known(self, event_ids: list[bytes]) -> None:
        """Refuse to release what the log does not hold.

        Raises:
            LogBehindError: It does not hold all of these.
        """
        if event_ids and not set(event_ids) <= self._log.knows(event_ids):
            raise LogBehindError("a batch of codes is not in the log: recover before releasing it")

    def recover(self, store: Store, *, now: int) -> int:
        """Append whatever an earlier run, or another process, still owed; how many events that was.

        Raises:
            LogBehindError: The log is smaller than it once was.
            IntegrityError: A row of the outbox was changed.
        """
        rows = staged(store, self._secrets)
        largest = max((row.tree_size for row in rows), default=0)
        self._size = self._log.size()
        if self._size < largest:
            raise LogBehindError(f"the log has {self._size} entries, once it had {largest}")
        ids = {event.event_id for row in rows for event in row.events}
        owed = ids - self._log.knows(ids)
        self._pending = rows if owed else []
        if not owed:
            self._done = [row.sequence for row in rows]
        self.settle(now=now)
        return len(owed)
