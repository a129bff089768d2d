"""The log's rows, in and out. Shell; knows SQL and nothing about trees or signatures.

Batches go straight to the driver: through the ORM a row costs several times its hashing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from audit.models import log_checkpoints, log_entries, log_head, log_tiles
from audit.tlog.tiles import TileChange

__all__ = [
    "Entry", "EntryRow", "Head", "add_checkpoint", "add_entries", "erase_entries", "has_entries",
    "put_tiles", "read_about", "read_entries", "read_head", "read_known", "read_subjects",
    "read_tile", "swap_head",
]  # fmt: skip

#: leaf_index, event_id, kind, at, subject, salt, body, commitment.
EntryRow: TypeAlias = "tuple[int, bytes, str, int, bytes | None, bytes | None, bytes | None, bytes]"

_CHUNK: Final = 500  # far below every driver's limit of parameters
_ADD_SQLITE: Final = "INSERT INTO log_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# Binary arrays: as text, psycopg quotes every element with a regular expression.
_ADD_POSTGRESQL: Final = (
    "INSERT INTO log_entries SELECT * FROM unnest(%b::bigint[], %b::bytea[], %b::text[],"
    " %b::bigint[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[])"
)
_ADD_TILE: Final = insert(log_tiles).values(
    level=bindparam("at_level"), tile_index=bindparam("at_index"), hashes=bindparam("after")
)
_GROW_TILE: Final = (
    update(log_tiles)
    .where(
        log_tiles.c.level == bindparam("at_level"),
        log_tiles.c.tile_index == bindparam("at_index"),
        log_tiles.c.hashes == bindparam("before"),
    )
    .values(hashes=bindparam("after"))
)
_SWAP_HEAD: Final = (
    update(log_head)
    .where(
        log_head.c.tree_size == bindparam("old_size"),
        log_head.c.checkpoint == bindparam("old_checkpoint"),
    )
    .values(tree_size=bindparam("new_size"), checkpoint=bindparam("new_checkpoint"))
)


@dataclass(frozen=True, slots=True)
class Head:
    """The log's one head row: a size, and the checkpoint signed for it."""

    tree_size: int
    checkpoint: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored entry. Salt, body and subject are None once it is erased."""

    leaf_index: int
    event_id: bytes
    kind: str
    at: int
    subject: bytes | None
    salt: bytes | None
    body: bytes | None
    commitment: bytes


def read_head(connection: Connection) -> Head | None:
    row = connection.execute(select(log_head.c.tree_size, log_head.c.checkpoint)).one_or_none()
    return None if row is None else Head(row.tree_size, row.checkpoint)


def swap_head(connection: Connection, before: Head | None, after: Head) -> bool:
    """Compare and set, in one statement. False: the row is not *before* any more."""
    if before is None:
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        values = {"id": 1, "tree_size": after.tree_size, "checkpoint": after.checkpoint}
        first = dialect.insert(log_head).values(values).on_conflict_do_nothing()
        return connection.execute(first.returning(log_head.c.id)).first() is not None
    values = {
        "old_size": before.tree_size,
        "old_checkpoint": before.checkpoint,
        "new_size": after.tree_size,
        "new_checkpoint": after.checkpoint,
    }
    return connection.execute(_SWAP_HEAD, values).rowcount == 1


def add_checkpoint(connection: Connection, head: Head) -> None:
    """Keep *head* for good, to narrow down later where a rewritten log went wrong."""
    connection.execute(
        insert(log_checkpoints).values(tree_size=head.tree_size, checkpoint=head.checkpoint)
    )


def add_entries(connection: Connection, rows: Sequence[EntryRow]) -> None:
    """Raises IntegrityError where an index or event id is there already."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_ADD_SQLITE, list(rows))
    else:
        columns = tuple(map(list, zip(*rows, strict=True)))
        connection.exec_driver_sql(_ADD_POSTGRESQL, columns)


def put_tiles(connection: Connection, changes: Iterable[TileChange]) -> bool:
    """Write tiles. False: a tile that grows is not the one that was held."""
    added = []
    for change in changes:
        place = {"at_level": change.level, "at_index": change.tile_index}
        if not change.before:
            added.append({**place, "after": change.after})
        elif connection.execute(
            _GROW_TILE, {**place, "before": change.before, "after": change.after}
        ).rowcount != 1:  # fmt: skip
            return False
    if added:
        connection.execute(_ADD_TILE, added)
    return True


def read_tile(connection: Connection, level: int, tile_index: int) -> bytes:
    """A tile's hashes; empty where there is none."""
    key = (log_tiles.c.level == level) & (log_tiles.c.tile_index == tile_index)
    return connection.execute(select(log_tiles.c.hashes).where(key)).scalar() or b""


def has_entries(connection: Connection) -> bool:
    return connection.execute(select(log_entries.c.leaf_index).limit(1)).first() is not None


def read_entries(connection: Connection, where: ColumnElement[bool]) -> Iterator[Entry]:
    """Entries in the log's order."""
    statement = select(log_entries).where(where).order_by(log_entries.c.leaf_index)
    for row in connection.execute(statement):
        yield Entry(*row)


def read_subjects(connection: Connection, after: bytes, limit: int) -> list[bytes]:
    """The next *limit* subjects that any entry is about, in order."""
    column = log_entries.c.subject
    statement = select(column).distinct().where(column > after).order_by(column).limit(limit)
    return [row[0] for row in connection.execute(statement)]


def read_about(
    connection: Connection, after: bytes, last: bytes | None, kinds: Sequence[str]
) -> list[Entry]:
    """Entries of these kinds about the subjects behind *after* up to *last* (None: all)."""
    column = log_entries.c.subject
    chosen = (column > after) if last is None else (column > after) & (column <= last)
    # Sorted here: asked to sort, a database reads the whole log in its order instead.
    rows = connection.execute(select(log_entries).where(chosen, log_entries.c.kind.in_(kinds)))
    return sorted((Entry(*row) for row in rows), key=_leaf_index)


def _leaf_index(entry: Entry) -> int:
    return entry.leaf_index


def read_known(connection: Connection, event_ids: Iterable[bytes]) -> dict[bytes, Entry]:
    """Those of *event_ids* that are in the log."""
    ids, known = iter(event_ids), {}
    while chunk := list(islice(ids, _CHUNK)):
        for entry in read_entries(connection, log_entries.c.event_id.in_(chunk)):
            known[entry.event_id] = entry
    return known


def erase_entries(connection: Connection, leaf_indices: Sequence[int]) -> None:
    """Drop what opens these entries and whom they concern. Their commitments stay."""
    for start in range(0, len(leaf_indices), _CHUNK):
        chosen = log_entries.c.leaf_index.in_(leaf_indices[start : start + _CHUNK])
        connection.execute(
            update(log_entries).where(chosen).values(subject=None, salt=None, body=None)
        )
