"""The transparency log over a database. Shell. Spec page: docs/spec/log.md; ADR 0005.

Appending: encode and hash in memory, sign the new checkpoint, then one transaction that compares
and sets the tree's size, writes entries and tiles, and commits. Nothing that was signed leaves
before the commit. What was signed last stays in memory: a database that no longer agrees with it
is noticed before the next signature, and then the log signs nothing any more.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from audit import store
from audit.database import is_disk_failure, reading, writing
from audit.errors import (
    AuditError,
    CheckpointError,
    DatabaseDamagedError,
    EventConflictError,
    LogBusyError,
    LogClockError,
    LogForkError,
    LogStoppedError,
    NoteError,
    ProofError,
)
from audit.events import (
    EVENT_ID_BYTES,
    SALT_BYTES,
    Event,
    Kind,
    commitment,
    encode_event,
    erasure_details,
)
from audit.grants import forget_uses
from audit.logreader import LogReader, tile_reader
from audit.models import log_entries
from audit.tlog.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from audit.tlog.merkle import EMPTY_ROOT, Frontier, leaf_hash, root_of
from audit.tlog.note import NoteKey, parse_note
from audit.tlog.tiles import TILE_WIDTH, Edge, TileChange, TileReader, edge_of, subtrees
from keys.cose import MessageSigner

__all__ = ["Log"]

#: SQLite lets whoever waits for its lock lose often, and each loss is short.
_TRIES: Final = 64
_ERASED_AT_ONCE: Final = 1_000
#: Callers read the clock before they wait for their turn. Signed times never go back at all.
_WAIT_S: Final = 3
_Encoded: TypeAlias = tuple[Event, bytes]


@dataclass(frozen=True, slots=True)
class _Held:
    """What this process knows to be in the log."""

    edge: Edge
    root: bytes
    time: int
    stored: store.Head | None

    @property
    def size(self) -> int:
        return self.edge.frontier.size


@dataclass(frozen=True, slots=True)
class _Staged:
    """A batch, ready to be written."""

    rows: list[store.EntryRow]
    tiles: list[TileChange]
    head: store.Head
    held: _Held


class _LostRaceError(Exception):
    """Another process has appended since."""


class Log(LogReader):
    """An append-only log of events. Safe to share between threads.

    Opening checks that the stored head is signed by *signer* and that the stored tiles lead to
    its root. It does not re-hash all entries: `audit.verify` does.

    Raises:
        LogForkError: On opening or appending, where the database does not fit what was signed.
    """

    def __init__(
        self,
        engine: Engine,
        signer: MessageSigner,
        origin: str,
        *,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(engine, NoteKey(origin, signer.public_key))
        self._signer = signer
        self._randomness = randomness
        self._lock = threading.Lock()
        self._stopped: AuditError | None = None
        self._trusted = _Held(Edge(Frontier(), ()), EMPTY_ROOT, 0, None)
        #: None after anything that leaves open whether a commit happened.
        self._held: _Held | None = None
        self._reload()

    def append(
        self,
        events: Iterable[Event],
        *,
        now: int,
        also: Callable[[Connection], None] | None = None,
        bodies: Iterable[bytes] | None = None,
    ) -> list[int]:
        """Write events, durably, and sign a checkpoint over them; gives their leaf indices.

        An event whose id is in the log already keeps its old index, so a batch whose fate is
        unknown can be appended again. The whole batch is one transaction and one commit.

        *also* runs inside that transaction, after the race for the tree's size is won: what it
        reads stays true until the commit, what it writes is committed with the entries or not at
        all, and what it raises appends nothing. It may run again after a lost race, and not at
        all where every event is known already. It must break no constraint of the database.

        *bodies* are what `encode_event` gave for these events, from whoever has it already.

        Raises:
            EventConflictError: An id is known with other content. Nothing was appended.
            LogClockError: *now* lies more than a moment before the last checkpoint.
            LogForkError: The database does not extend what was signed.
            LogBusyError: Another process won every race.
            LogStoppedError: The disk failed; this log has to be opened again.
        """
        with self._lock, self._stopping():
            return self._append(_encoded(events, bodies), now, also)

    def erase(self, subject: bytes, *, now: int) -> int:
        """Forget what the entries about *subject* say; gives how many there were.

        Their commitments stay, so the log still verifies, and an event says which entries were
        erased: an entry that is empty without such an event is damage. Nothing calls this yet:
        docs/privacy.md, section 4, says what the issuer's own checks would make of it.
        """
        total = 0
        with self._lock, self._stopping():
            while chosen := self._some_of(subject):
                details = erasure_details(
                    (entry.leaf_index, entry.event_id, entry.kind, entry.at) for entry in chosen
                )
                event_id = self._randomness(EVENT_ID_BYTES)
                event = Event(event_id, Kind.ENTRIES_ERASED, now, None, details)
                indices = [entry.leaf_index for entry in chosen]
                forget = partial(_forget, subject=subject, indices=indices)
                self._append(_encoded([event], None), now, forget)
                total += len(chosen)
        return total

    def _append(
        self, events: list[_Encoded], now: int, also: Callable[[Connection], None] | None
    ) -> list[int]:
        distinct = _distinct(events)
        known: dict[bytes, int] = {}
        for _ in range(_TRIES):
            fresh = [encoded for event_id, encoded in distinct.items() if event_id not in known]
            if not fresh:
                return [known[event.event_id] for event, _ in events]
            held = self._held or self._reload()
            staged = self._stage(held, fresh, now)
            self._held = None  # until the outcome is certain
            try:
                self._write(held, staged, also)
            except _LostRaceError:
                continue
            except IntegrityError as error:
                known = self._known(distinct)
                if not known:
                    raise LogForkError(f"something stands beyond entry {held.size}") from error
                continue
            self._held = self._trusted = staged.held
            known |= {row[1]: row[0] for row in staged.rows}
        raise LogBusyError(f"lost {_TRIES} races in a row")

    def _stage(self, held: _Held, events: list[_Encoded], now: int) -> _Staged:
        """Salt, hash and sign. Touches no database."""
        if now < held.time - _WAIT_S:
            raise LogClockError(f"the last checkpoint is {held.time - now} s ahead of the clock")
        salts = self._randomness(SALT_BYTES * len(events))
        rows: list[store.EntryRow] = []
        leaves: list[bytes] = []
        for position, ((event_id, kind, at, subject, _), body) in enumerate(events):
            salt = salts[SALT_BYTES * position : SALT_BYTES * (position + 1)]
            entry = commitment(salt, body)
            rows.append(
                (held.size + position, event_id, kind.value, at, subject, salt, body, entry)
            )
            leaves.append(leaf_hash(entry))
        edge, tiles = held.edge.extended(leaves)
        size, root, time = edge.frontier.size, edge.frontier.root(), max(now, held.time)
        checkpoint = Checkpoint(self.key.name, size, root)
        head = store.Head(size, sign_checkpoint(checkpoint, self._signer, now=time))
        return _Staged(rows, tiles, head, _Held(edge, root, time, head))

    def _write(
        self, held: _Held, staged: _Staged, also: Callable[[Connection], None] | None
    ) -> None:
        """One transaction, one commit."""
        with writing(self._engine) as connection:
            if not store.swap_head(connection, held.stored, staged.head):
                raise _LostRaceError
            if also is not None:
                also(connection)
            store.add_entries(connection, staged.rows)
            if not store.put_tiles(connection, staged.tiles):
                raise LogForkError("a stored tile is not the one that was signed over")
            if staged.held.size // TILE_WIDTH > held.size // TILE_WIDTH:
                store.add_checkpoint(connection, staged.head)

    def _reload(self) -> _Held:
        """Learn what is stored, if it extends what this process has signed or seen."""
        with reading(self._engine) as connection:
            head = store.read_head(connection)
            if head is None:
                if self._trusted.stored is not None or store.has_entries(connection):
                    raise LogForkError("the log's head is gone")
                held = self._trusted
            else:
                held = self._load(tile_reader(connection), head)
        self._held = self._trusted = held
        return held

    def _load(self, read: TileReader, head: store.Head) -> _Held:
        try:
            origin = parse_checkpoint(parse_note(head.checkpoint).text).origin
            if origin != self.key.name:
                raise LogForkError(
                    f"this is the log {origin}, not {self.key.name}: see CELADON_LOG_ORIGIN"
                )
            signed = verify_checkpoint(head.checkpoint, self.key, timestamp=self.timestamp_key)
            edge = edge_of(head.tree_size, read)
            before = root_of(min(self._trusted.size, head.tree_size), subtrees(read))
        except (NoteError, CheckpointError, ProofError) as error:
            raise LogForkError(f"the stored head: {error}") from error
        root = edge.frontier.root()
        if (signed.checkpoint.tree_size, signed.checkpoint.root_hash) != (head.tree_size, root):
            raise LogForkError("the stored tiles do not lead to the signed root")
        if head.tree_size < self._trusted.size or before != self._trusted.root:
            raise LogForkError(f"the log does not extend its first {self._trusted.size} entries")
        return _Held(edge, root, signed.time or 0, head)

    def _known(self, events: dict[bytes, _Encoded]) -> dict[bytes, int]:
        """Leaf indices of those events that are in the log."""
        with reading(self._engine) as connection:
            known = store.read_known(connection, events)
        for event_id, entry in known.items():
            if entry.body is not None and entry.body != events[event_id][1]:
                raise EventConflictError(f"entry {entry.leaf_index} has this id and other content")
        return {event_id: entry.leaf_index for event_id, entry in known.items()}

    def _some_of(self, subject: bytes) -> list[store.Entry]:
        with reading(self._engine) as connection:
            entries = store.read_entries(connection, log_entries.c.subject == subject)
            return list(islice(entries, _ERASED_AT_ONCE))

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stop for good after what must not be tried again."""
        if self._stopped is not None:
            raise self._stopped
        try:
            yield
        except (LogForkError, DatabaseDamagedError) as error:
            self._stopped = error
            raise
        except OperationalError as error:
            if not is_disk_failure(error):
                raise
            # A second fsync may report success for what the first one lost.
            self._stopped = LogStoppedError("the disk failed under a commit")
            raise self._stopped from error


def _forget(connection: Connection, *, subject: bytes, indices: list[int]) -> None:
    store.erase_entries(connection, indices)
    forget_uses(connection, subject)


def _encoded(events: Iterable[Event], bodies: Iterable[bytes] | None) -> list[_Encoded]:
    events = list(events)
    return list(zip(events, map(encode_event, events) if bodies is None else bodies, strict=True))


def _distinct(events: Iterable[_Encoded]) -> dict[bytes, _Encoded]:
    """Each event once, in order."""
    distinct: dict[bytes, _Encoded] = {}
    for encoded in events:
        first = distinct.setdefault(encoded[0].event_id, encoded)
        if first is not encoded and first != encoded:
            raise EventConflictError("two events of one batch share an id")
    return distinct
