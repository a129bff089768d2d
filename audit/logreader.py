"""Reading the transparency log: checkpoints, proofs, and what it says about a person. Shell.

Every answer comes from one state of the database. Nothing here is verified: whoever gets a proof
verifies it with the log's public key, and `audit.verify` re-hashes the whole log.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final

from sqlalchemy import Connection, Engine

from audit import store
from audit.database import reading
from audit.errors import EmptyLogError, ProofError
from audit.events import Event, Kind, commitment, decode_event
from audit.models import log_entries
from audit.tlog.merkle import consistency_proof, inclusion_proof, root_of
from audit.tlog.note import KeyType, NoteKey
from audit.tlog.proof import Proof, verify_proof
from audit.tlog.tiles import TileReader, subtrees

__all__ = ["LogReader", "LoggedEvent", "tile_reader"]

#: Kept while one person's proofs are made.
_SUBTREES: Final = 8_192


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event, where it stands, and a proof that opens it (`Proof.extra` is salt || body)."""

    leaf_index: int
    event: Event
    proof: Proof


class LogReader:
    """Reads a log without being able to write to it."""

    def __init__(self, engine: Engine, key: NoteKey) -> None:
        self._engine = engine
        #: Verifies this log's checkpoints.
        self.key = key
        #: Verifies the time on this log's checkpoints.
        self.timestamp_key = NoteKey(key.name, key.public_key, KeyType.COSIGNATURE)

    def checkpoint(self) -> bytes:
        """The newest signed checkpoint.

        Raises:
            EmptyLogError: Nothing was appended yet.
        """
        with reading(self._engine) as connection:
            return _head(connection).checkpoint

    def size(self) -> int:
        """How many entries there are."""
        with reading(self._engine) as connection:
            head = store.read_head(connection)
        return 0 if head is None else head.tree_size

    def entry(self, leaf_index: int) -> bytes:
        """What the tree holds at *leaf_index*: 32 bytes, a commitment.

        Raises:
            ValueError: There is no such entry.
        """
        with reading(self._engine) as connection:
            for entry in store.read_entries(connection, log_entries.c.leaf_index == leaf_index):
                return entry.commitment
        raise ValueError(f"the log has no entry {leaf_index}")

    def inclusion(self, leaf_index: int) -> Proof:
        """A proof for one entry under the newest checkpoint; it does not open the entry.

        Raises:
            ValueError: There is no such entry.
            EmptyLogError: Nothing was appended yet.
        """
        with reading(self._engine) as connection:
            head = _head(connection)
            subtree = subtrees(tile_reader(connection))
            hashes = inclusion_proof(leaf_index, head.tree_size, subtree)
        return Proof(leaf_index, tuple(hashes), head.checkpoint)

    def inclusion_hashes(self, leaf_index: int, tree_size: int) -> list[bytes]:
        """The proof for one entry under an earlier checkpoint, over *tree_size* entries.

        Raises:
            ValueError: Not 0 <= leaf_index < tree_size <= size.
            EmptyLogError: Nothing was appended yet.
        """
        with reading(self._engine) as connection:
            if tree_size > _head(connection).tree_size:
                raise ValueError(f"the log has no {tree_size} entries")
            return inclusion_proof(leaf_index, tree_size, subtrees(tile_reader(connection)))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Hashes that show the tree of *new* entries to begin with that of *old* entries.

        Raises:
            ValueError: Not 0 <= old <= new <= size.
            EmptyLogError: Nothing was appended yet.
        """
        with reading(self._engine) as connection:
            if new > _head(connection).tree_size:
                raise ValueError(f"the log has no {new} entries")
            return consistency_proof(old, new, subtrees(tile_reader(connection)))

    def root(self, size: int) -> bytes:
        """The root over the first *size* entries.

        Raises:
            ValueError: The log is shorter.
        """
        with reading(self._engine) as connection:
            head = store.read_head(connection)
            if size > (0 if head is None else head.tree_size):
                raise ValueError(f"the log has no {size} entries")
            return root_of(size, subtrees(tile_reader(connection)))

    def event(self, event_id: bytes) -> Event | None:
        """The event of this id, held against the signed tree; None: there is none.

        Raises:
            ProofError: A row has this id, and is not what the log signed.
            CheckpointError: The head is not this log's.
        """
        with reading(self._engine) as connection:
            entry = store.read_known(connection, [event_id]).get(event_id)
        if entry is None or entry.salt is None or entry.body is None:
            return None
        if entry.leaf_index >= self.size():
            raise ProofError(f"entry {entry.leaf_index} stands beyond what the log signed")
        proof = self.inclusion(entry.leaf_index)
        verify_proof(proof, commitment(entry.salt, entry.body), self.key)
        return decode_event(entry.body)

    def events_of(
        self, subject: bytes, kinds: Iterable[Kind] | None = None
    ) -> tuple[LoggedEvent, ...]:
        """What the log says about *subject*, oldest first, each with its proof.

        Args:
            subject: Whom.
            kinds: Of events; all by default.
        """
        chosen = log_entries.c.subject == subject
        if kinds is not None:
            chosen &= log_entries.c.kind.in_([kind.value for kind in kinds])
        with reading(self._engine) as connection:
            head = store.read_head(connection)
            if head is None:
                return ()
            # One person's proofs have most of their hashes in common.
            subtree = lru_cache(maxsize=_SUBTREES)(subtrees(tile_reader(connection)))
            found = []
            for entry in store.read_entries(connection, chosen):
                if entry.salt is None or entry.body is None:
                    continue
                hashes = inclusion_proof(entry.leaf_index, head.tree_size, subtree)
                opening = entry.salt + entry.body
                proof = Proof(entry.leaf_index, tuple(hashes), head.checkpoint, opening)
                found.append(LoggedEvent(entry.leaf_index, decode_event(entry.body), proof))
            return tuple(found)

    def subjects(self, *, after: bytes, limit: int) -> list[bytes]:
        """The next *limit* subjects that the log is about, in order: for going through all."""
        with reading(self._engine) as connection:
            return store.read_subjects(connection, after, limit)

    def events_about(
        self, kinds: Iterable[Kind], *, after: bytes, last: bytes | None
    ) -> list[Event]:
        """All events of these kinds about the subjects behind *after* up to *last* (None: all).

        Oldest first. What was erased is not there any more.
        """
        with reading(self._engine) as connection:
            entries = store.read_about(connection, after, last, [kind.value for kind in kinds])
        return [decode_event(entry.body) for entry in entries if entry.body is not None]

    def events_of_kinds(self, kinds: Iterable[Kind]) -> list[Event]:
        """All events of these kinds, oldest first: for kinds of which there are few."""
        chosen = log_entries.c.kind.in_([kind.value for kind in kinds])
        with reading(self._engine) as connection:
            entries = list(store.read_entries(connection, chosen))
        return [decode_event(entry.body) for entry in entries if entry.body is not None]

    def events_since(self, leaf_index: int, kinds: Iterable[Kind]) -> tuple[int, list[Event]]:
        """The log's size, and its events of these kinds from *leaf_index* on, oldest first.

        What was erased is not there any more.
        """
        behind = log_entries.c.leaf_index >= leaf_index
        chosen = behind & log_entries.c.kind.in_([kind.value for kind in kinds])
        with reading(self._engine) as connection:
            head = store.read_head(connection)
            entries = store.read_entries(connection, chosen)
            events = [decode_event(entry.body) for entry in entries if entry.body is not None]
        return (0 if head is None else head.tree_size), events

    def knows(self, event_ids: Iterable[bytes]) -> set[bytes]:
        """Those of *event_ids* that are in the log."""
        with reading(self._engine) as connection:
            return set(store.read_known(connection, event_ids))


def _head(connection: Connection) -> store.Head:
    head = store.read_head(connection)
    if head is None:
        raise EmptyLogError("the log is empty")
    return head


def tile_reader(connection: Connection) -> TileReader:
    return partial(store.read_tile, connection)
