"""Signatures against log entries: each code key's count is what the log's entries add up to. Shell.

Reads the log from where the last run stopped, so a run costs what has happened since. A key whose
count and entries differ is stopped in the same transaction, in every process, and the log says so.
What such a difference shows, and which thefts it cannot show: docs/threat-model.md, B9.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from audit.events import Event, Kind
from issuer.codes.shards import CodeKeyRow, read_code_keys, write_code_key
from issuer.errors import IntegrityError, LogBehindError
from issuer.storage.core import Secrets
from issuer.storage.handover import staged
from issuer.storage.sealing import mac
from issuer.storage.store import Store
from issuer.storage.tx import Done, Tx

__all__ = [
    "Difference",
    "IssueLog",
    "issued_by_key",
    "read_position",
    "reconcile",
    "write_position",
]

_NAME: Final = "codes"
_READ: Final = "SELECT name, leaf_index, mac FROM log_position"
_WRITE: Final = (
    "INSERT INTO log_position (name, leaf_index, mac) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET leaf_index = excluded.leaf_index, mac = excluded.mac"
)
_ITEM_BYTES: Final = 6


class IssueLog(Protocol):
    """What reconciling needs of `audit.logreader.LogReader`."""

    def knows(self, event_ids: Iterable[bytes]) -> set[bytes]: ...
    def events_since(self, leaf_index: int, kinds: Iterable[Kind]) -> tuple[int, list[Event]]: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """A code key that signed *codes* codes while the log has entries for *logged*."""

    kid: bytes
    codes: int
    logged: int
    stopped_at: int

    def __str__(self) -> str:
        return f"key {self.kid.hex()}: {self.codes} codes counted, {self.logged} in the log"


def reconcile(tx: Tx, log: IssueLog) -> Done[list[Difference]]:
    """Compare all counts with the log, and stop the keys of which they differ.

    Gives every key that differs, also those that were stopped before; an event for the new ones.

    Raises:
        LogBehindError: The log is shorter than it was the last time.
        IntegrityError: A row was changed.
    """
    owed = [
        event
        for row in staged(tx.store, tx.secrets)
        for event in row.events
        if event.kind is Kind.CODES_ISSUED
    ]
    # Asked for before the log is read: what it knows by now is among the entries read or before.
    known = log.knows(event.event_id for event in owed)
    position = read_position(tx.store, tx.secrets)
    size, entries = log.events_since(position, [Kind.CODES_ISSUED])
    if size < position:
        raise LogBehindError(f"the log has {size} entries, once it had {position}")
    known |= {event.event_id for event in entries}
    waiting = issued_by_key(event for event in owed if event.event_id not in known)
    fresh = issued_by_key(entries)
    rows = {row.kid: row for row in read_code_keys(tx.store, tx.secrets)}
    differences = []
    events = []
    for kid in sorted(rows.keys() | fresh.keys() | waiting.keys()):
        old = rows.get(kid)
        row = old or CodeKeyRow(kid)
        logged = row.logged + fresh[kid]
        stopped_at = row.stopped_at
        if row.codes != logged + waiting[kid]:
            if stopped_at is None:
                stopped_at = tx.now
                events.append(_event(tx, row, logged))
            differences.append(Difference(kid, row.codes, logged, stopped_at))
        new = CodeKeyRow(kid, row.codes, logged, stopped_at)
        if new != old:
            write_code_key(tx, old, new)
    if size != position:
        write_position(tx, size)
    return Done(differences, events)


def read_position(store: Store, secrets: Secrets) -> int:
    """The first entry of the log that was not reconciled yet.

    Raises:
        IntegrityError: The row was changed.
    """
    for name, leaf_index, tag in store.rows(_READ):
        if _mac(secrets, name, leaf_index) != tag or name != _NAME:
            raise IntegrityError("how far the log was reconciled was changed")
        position: int = leaf_index
        return position
    return 0


def write_position(tx: Tx, leaf_index: int) -> None:
    """Note that the log's entries before this one are reconciled."""
    tx.store.run(_WRITE, (_NAME, leaf_index, _mac(tx.secrets, _NAME, leaf_index)))


def issued_by_key(events: Iterable[Event]) -> Counter[bytes]:
    """How many codes of each key these events tell of."""
    counts: Counter[bytes] = Counter()
    for event in events:
        keys = event.details.get("keys")
        if not isinstance(keys, bytes) or len(keys) % _ITEM_BYTES:
            raise IntegrityError("an event of issued codes does not name their keys")
        for start in range(0, len(keys), _ITEM_BYTES):
            item = keys[start : start + _ITEM_BYTES]
            counts[item[:4]] += int.from_bytes(item[4:], "big")
    return counts


def _event(tx: Tx, row: CodeKeyRow, logged: int) -> Event:
    return Event(
        tx.event_id(),
        Kind.SIGNATURES_DIFFER,
        tx.now,
        None,
        {"kid": row.kid, "codes": row.codes, "logged": logged},
    )


def _mac(secrets: Secrets, name: str, leaf_index: int) -> bytes:
    return mac(secrets.rows, "log_position", (name, leaf_index))
