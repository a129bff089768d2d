"""Re-hash the whole log from its stored bytes, by other code than the code that wrote it. Shell.

Nothing here uses `audit.tlog.merkle` or `audit.tlog.tiles`, and only the note format is shared
with the writing side. The entries are read once, in order; every stored hash, checkpoint and
column is compared on the way, so the first entry that does not fit is the one that is named.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, func, null, select, type_coerce
from sqlalchemy.exc import DBAPIError

from audit.database import reading
from audit.errors import AuditError, CheckpointError, DatabaseDamagedError
from audit.events import Event, Kind, decode_event, erasure_details
from audit.gatecheck import LAST_TIME, gate_problems
from audit.models import (
    MIGRATIONS,
    log_checkpoints,
    log_entries,
    log_head,
    log_tiles,
    metadata,
)
from audit.schema import schema_damage
from audit.tlog.checkpoint import SignedCheckpoint, verify_checkpoint
from audit.tlog.note import KeyType, NoteKey

__all__ = ["Broken", "Verdict", "Verified", "verify_connection", "verify_log"]

_CHUNK: Final = 256
_HASH: Final = 32
_sha256: Final = hashlib.sha256


@dataclass(frozen=True, slots=True)
class Verified:
    """Every stored byte fits the signed head."""

    tree_size: int
    root_hash: bytes
    time: int | None


@dataclass(frozen=True, slots=True)
class Broken:
    """What does not fit, and the first entry concerned where it is an entry."""

    leaf_index: int | None
    why: str

    def __str__(self) -> str:
        return self.why if self.leaf_index is None else f"entry {self.leaf_index} {self.why}"


Verdict = Verified | Broken


def verify_log(engine: Engine, key: NoteKey, *, seen: Iterable[bytes] = ()) -> Verdict:
    """Verify the log in *engine*, which *key* signs.

    Does not check when things were appended, nor that what the events say is true.

    Args:
        engine: The audit database.
        key: The log's public key, from somewhere else than the database.
        seen: Checkpoints that were published earlier. A log that was rolled back or rewritten and
            signed again fits its own head; it does not fit these.

    Raises:
        DBAPIError: There is no connection to the database: that says nothing about the log.
    """
    try:
        with reading(engine) as connection:
            return verify_connection(connection, key, seen=seen)
    except (DatabaseDamagedError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and error.statement is None:
            raise
        return Broken(None, f"the database cannot be read: {_cause(error)}")


def verify_connection(
    connection: Connection, key: NoteKey, *, seen: Iterable[bytes] = ()
) -> Verdict:
    """`verify_log` inside a transaction that is open already."""
    check = _Check(key)
    try:
        verdict = check.run(connection, list(seen))
        if connection.dialect.name == "sqlite":
            _check_file(connection)  # before the gate: damaged pages give rows that cannot be
        _check_gate(connection, verdict)
    except _BrokenError as error:
        return Broken(error.leaf_index, str(error))
    except (DatabaseDamagedError, DBAPIError) as error:
        return Broken(check.size, f"or what belongs to it cannot be read: {_cause(error)}")
    return verdict


def _cause(error: Exception) -> str:
    """The driver's own words. No statement, no values."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(original).split()) or type(original).__name__


class _BrokenError(Exception):
    def __init__(self, leaf_index: int | None, why: str) -> None:
        super().__init__(why)
        self.leaf_index = leaf_index


class _Check:
    """One pass over the log. `size` entries were found good so far."""

    def __init__(self, key: NoteKey) -> None:
        self._key = key
        self._timestamp = NoteKey(key.name, key.public_key, KeyType.COSIGNATURE)
        self.size = 0
        self._signed_size = 0
        #: Complete subtrees from the left, as (height, hash); no two of one height.
        self._peaks: list[tuple[int, bytes]] = []
        self._tiles: dict[int, tuple[int, bytes]] = {}
        self._erased: dict[int, Row[Any]] = {}
        self._erasures: list[tuple[int, Event]] = []

    def run(self, connection: Connection, seen: list[bytes]) -> Verdict:
        head = self._head(connection)
        expected = self._expected(connection, head, seen)
        for row in _rows(connection):
            self._entry(connection, row)
            for checkpoint in expected.pop(self.size, ()):
                self._signed_root(checkpoint)
        self._check_erasures()
        if expected:
            raise _BrokenError(self.size, f"is missing: {max(expected)} entries were signed")
        if head is None:
            if self.size:
                raise _BrokenError(0, "is not signed for: the log has no head")
            self._check_tile_sizes(connection)
            return Verified(0, _sha256(b"").digest(), None)
        if self.size > head.checkpoint.tree_size:
            raise _BrokenError(head.checkpoint.tree_size, "stands beyond the signed head")
        self._check_tile_sizes(connection)
        return Verified(self.size, head.checkpoint.root_hash, head.time)

    def _head(self, connection: Connection) -> SignedCheckpoint | None:
        rows = connection.execute(_raw(log_head)).all()
        if not rows:
            return None
        if len(rows) != 1 or rows[0].id != 1:
            raise _BrokenError(None, "the log's head is not one row")
        return self._signed(rows[0].checkpoint, rows[0].tree_size, "the log's head")

    def _signed(self, note: object, tree_size: object, what: str) -> SignedCheckpoint:
        try:
            signed = verify_checkpoint(_bytes(note), self._key, timestamp=self._timestamp)
        except CheckpointError as error:
            raise _BrokenError(None, f"{what}: {error}") from error
        if tree_size != signed.checkpoint.tree_size:
            raise _BrokenError(None, f"{what} is not over as many entries as its row says")
        return signed

    def _expected(
        self, connection: Connection, head: SignedCheckpoint | None, seen: list[bytes]
    ) -> dict[int, list[SignedCheckpoint]]:
        """All checkpoints that the log has to fit, by their size."""
        found = [] if head is None else [head]
        found += [
            self._signed(row.checkpoint, row.tree_size, "a stored checkpoint")
            for row in connection.execute(_raw(log_checkpoints))
        ]
        for note in seen:
            try:
                found.append(verify_checkpoint(note, self._key))
            except CheckpointError as error:
                raise _BrokenError(None, f"a checkpoint that was seen: {error}") from error
        expected: dict[int, list[SignedCheckpoint]] = {}
        for signed in found:
            if signed.checkpoint.tree_size:
                expected.setdefault(signed.checkpoint.tree_size, []).append(signed)
        return expected

    def _entry(self, connection: Connection, row: Row[Any]) -> None:
        if row.leaf_index != self.size:
            raise _BrokenError(self.size, "is missing")
        if row.salt is None and row.body is None and row.subject is None:
            self._erased[self.size] = row
        else:
            self._check_body(row)
        self._push(connection, _sha256(b"\x00" + _bytes(row.commitment)).digest())

    def _check_body(self, row: Row[Any]) -> None:
        """The columns say what the body says, and the commitment is over that body."""
        body = _bytes(row.body)
        if _sha256(_bytes(row.salt) + body).digest() != row.commitment:
            raise _BrokenError(self.size, "is not what was committed to")
        if not body.startswith(_body_start(row)):
            raise _BrokenError(self.size, "has columns that differ from its body")
        if row.kind == Kind.ENTRIES_ERASED.value:
            try:
                self._erasures.append((self.size, decode_event(body)))
            except AuditError as error:
                raise _BrokenError(self.size, f"is not an event: {error}") from error

    def _push(self, connection: Connection, node: bytes) -> None:
        """Add a leaf hash, and compare each subtree that is then complete with its tile."""
        height, index = 0, self.size
        self._compare(connection, height, index, node)
        while self._peaks and self._peaks[-1][0] == height:
            node = _sha256(b"\x01" + self._peaks.pop()[1] + node).digest()
            height, index = height + 1, index >> 1
            self._compare(connection, height, index, node)
        self._peaks.append((height, node))
        self.size += 1

    def _compare(self, connection: Connection, height: int, index: int, node: bytes) -> None:
        level, between = divmod(height, 8)
        if between:
            return
        tile_index, offset = divmod(index, 256)
        if self._tiles.get(level, (None,))[0] != tile_index:
            self._tiles[level] = (tile_index, _tile(connection, level, tile_index))
        if self._tiles[level][1][offset * _HASH : (offset + 1) * _HASH] != node:
            first, last = index << height, (index + 1 << height) - 1
            raise _BrokenError(first, f"{_up_to(first, last)}is not the one in the tree")

    def _signed_root(self, signed: SignedCheckpoint) -> None:
        root = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            root = _sha256(b"\x01" + left + root).digest()
        if root != signed.checkpoint.root_hash:
            first = self._signed_size
            raise _BrokenError(first, f"{_up_to(first, self.size - 1)}is not what was signed")
        self._signed_size = self.size

    def _check_erasures(self) -> None:
        """Exactly those entries are empty that an event in the log says were erased."""
        for leaf_index, event in self._erasures:
            self._check_erasure(leaf_index, event.details)
        if self._erased:
            raise _BrokenError(min(self._erased), "is empty, and no event says that it was erased")

    def _check_erasure(self, said_by: int, details: Mapping[str, Any]) -> None:
        entries = details.get("entries")
        if not isinstance(entries, list) or not all(type(entry) is int for entry in entries):
            raise _BrokenError(said_by, "names no entries that were erased")
        kept = []
        for leaf_index in entries:
            row = self._erased.pop(leaf_index, None)
            if row is None:
                raise _BrokenError(leaf_index, "was erased, and is there all the same")
            kept.append((leaf_index, row.event_id, row.kind, row.at))
        try:
            left = erasure_details(kept)
        except (TypeError, ValueError):  # a damaged column holds what no event can
            left = {}
        if not kept or left != details:
            first = kept[0][0] if kept else None
            raise _BrokenError(first, "is not what was left when it was erased")

    def _check_tile_sizes(self, connection: Connection) -> None:
        expected: dict[tuple[int, int], int] = {}
        for level in range((self.size.bit_length() + 7) // 8):
            count = self.size >> (8 * level)
            for first in range(0, count, 256):
                expected[level, first // 256] = min(256, count - first) * _HASH
        tiles = log_tiles.c
        sizes = select(tiles.level, tiles.tile_index, func.length(tiles.hashes))
        stored = {(level, index): size for level, index, size in connection.execute(sizes)}
        if wrong := {
            key for key in stored.keys() | expected if stored.get(key) != expected.get(key)
        }:
            level, index = min(wrong)
            raise _BrokenError(
                None, f"tile {level}/{index} is missing, too many or of a wrong size"
            )


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    """All entries in order; one by one where a chunk does not read, so that one can be named."""
    column = log_entries.c.leaf_index
    statement = _raw(log_entries).order_by(column)
    last = None
    while True:
        after = statement if last is None else statement.where(column > last)
        try:
            chunk = list(connection.execute(after.limit(_CHUNK)))
        except (DatabaseDamagedError, DBAPIError):
            chunk = list(connection.execute(after.limit(1)))
        yield from chunk
        if not chunk:
            return
        last = chunk[-1].leaf_index


def _raw(table: Table) -> Any:  # noqa: ANN401 - a select whose columns have no type
    """Select all columns as the driver gives them: a damaged value may be of any type."""
    return select(*(type_coerce(column, null().type).label(column.name) for column in table.c))


def _tile(connection: Connection, level: int, tile_index: int) -> bytes:
    raw = _raw(log_tiles).where(log_tiles.c.level == level, log_tiles.c.tile_index == tile_index)
    row = connection.execute(raw).one_or_none()
    return b"" if row is None else _bytes(row.hashes)


def _bytes(value: object) -> bytes:
    """*value*, or nothing where it is no byte string: that hashes to something else."""
    return value if isinstance(value, bytes) else b""


def _body_start(row: Row[Any]) -> bytes:
    """How a body begins that says what the columns say, up to its details."""
    kind = str(row.kind).encode(errors="replace")
    subject = b"\xf6" if row.subject is None else b"\x50" + _bytes(row.subject)
    at = row.at if isinstance(row.at, int) and 0 <= row.at < 1 << 64 else 0
    parts = (b"\xa5\x01\x50", _bytes(row.event_id), b"\x02", _cbor_head(0x60, len(kind)), kind,
             b"\x03", _cbor_head(0x00, at), b"\x04", subject, b"\x05")  # fmt: skip
    return b"".join(parts)


def _cbor_head(major: int, number: int) -> bytes:
    """Source: RFC 8949 §3."""
    if number < 24:  # noqa: PLR2004 - fits the first byte
        return bytes((major | number,))
    for code, size in enumerate((1, 2, 4, 8), start=24):
        if number < 1 << (8 * size):
            return bytes((major | code,)) + number.to_bytes(size, "big")
    raise AssertionError


def _up_to(first: int, last: int) -> str:
    return "" if first == last else f"or a later one up to {last} "


def _check_gate(connection: Connection, verdict: Verdict) -> None:
    """The gate's tables say what the log says, now that the log is known to be good."""
    if isinstance(verdict, Verified):
        time = LAST_TIME if verdict.time is None else verdict.time
        try:
            problem = next(gate_problems(connection, now=time), None)
        except AuditError as error:
            problem = f"an event of the gate: {error}"
        if problem is not None:
            raise _BrokenError(None, problem)


def _check_file(connection: Connection) -> None:
    """SQLite's own check finds what no table shows, such as an index that lost a row.

    It does not find an index that was defined otherwise from the beginning: ours does.
    """
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if found == "ok":
        found = schema_damage(connection.exec_driver_sql, metadata, MIGRATIONS)
    if found is not None:
        raise _BrokenError(None, f"the database's file is damaged: {found}")
