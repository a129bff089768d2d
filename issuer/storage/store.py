"""The core's way to its database: positional tuples through the driver's own cursor. Shell.

SQLAlchemy opens, pools and begins; the statements themselves go past it, because an ORM row costs
more than a signature. SQL is written once, with `?` for a value and `{keys}` for a set of keys;
each dialect's text is made once, so that the driver finds its prepared statement again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, Engine

from audit.database import database_reason, reading, writing
from audit.schema import schema_damage
from issuer.errors import StoreError
from issuer.models import MIGRATIONS, metadata

__all__ = ["Row", "Store", "read_store", "write_store"]

Row: TypeAlias = tuple[Any, ...]

#: Numbers of marks that a SQLite text has for a set; a set is filled up to one of them, so that
#: there are few texts, and a larger set is cut.
_SETS: Final = (1, 8, 64, 512, 4096)
#: PostgreSQL's name for "the issuer writes"; any constant that nobody else uses.
_WRITER_LOCK: Final = 0x63656C61646F6E


class Store:
    """One transaction's cursor."""

    __slots__ = ("_cursor", "_sqlite")

    def __init__(self, connection: Connection) -> None:
        self._sqlite = connection.dialect.name == "sqlite"
        self._cursor: Any = connection.connection.cursor()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a query."""
        self._cursor.execute(_text(sql, self._sqlite), values)
        found: list[Row] = self._cursor.fetchall()
        return found

    def rows_of(
        self, sql: str, keys: Sequence[object], values: tuple[object, ...] = ()
    ) -> list[Row]:
        """All rows of a query whose `{keys}` is this set. Its marks come before all others."""
        if not keys:
            return []
        if not self._sqlite:
            return self.rows(sql, (list(keys), *values))
        found: list[Row] = []
        for start in range(0, len(keys), _SETS[-1]):
            chunk = keys[start : start + _SETS[-1]]
            marks = next(size for size in _SETS if size >= len(chunk))
            filled = (*chunk, *[chunk[-1]] * (marks - len(chunk)), *values)
            self._cursor.execute(_text(sql, self._sqlite, marks), filled)
            found += self._cursor.fetchall()
        return found

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; how many rows it changed."""
        self._cursor.execute(_text(sql, self._sqlite), values)
        changed: int = self._cursor.rowcount
        return changed

    def many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Run one statement for each row."""
        if rows:
            self._cursor.executemany(_text(sql, self._sqlite), rows)

    def stream(self, sql: str) -> Iterator[Row]:
        """The rows of a query, a few at a time; PostgreSQL's driver holds all of them meanwhile."""
        self._cursor.execute(_text(sql, self._sqlite))
        while found := self._cursor.fetchmany(1000):
            yield from found

    def file_damage(self) -> str | None:
        """What is wrong with SQLite's file or its schema, if anything. PostgreSQL has checksums."""
        if not self._sqlite:
            return None
        ((found,),) = self.rows("PRAGMA integrity_check(1)")
        return schema_damage(self.rows, metadata, MIGRATIONS) if found == "ok" else str(found)

    def lock_writers(self) -> None:
        """Wait until no other writer is at work. SQLite's BEGIN IMMEDIATE has done so already."""
        if not self._sqlite:
            self._cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITER_LOCK,))

    def close(self) -> None:
        self._cursor.close()


@lru_cache(maxsize=256)
def _text(sql: str, sqlite: bool, marks: int = 0) -> str:  # noqa: FBT001 # a cache key
    if sqlite:
        return sql.format(keys=f"IN ({','.join('?' * marks)})")
    return sql.format(keys="= ANY(?)").replace("?", "%s")


@contextmanager
def write_store(engine: Engine) -> Iterator[Store]:
    """A transaction of the one writer, durable when the block ends without an error.

    Several processes may share the database: they take turns. That spares every race between
    reading a decision or a cursor and writing it.

    Raises:
        StoreError: The database failed; nothing was written.
    """
    with writing(engine) as connection, _opened(connection) as store:
        store.lock_writers()
        yield store


@contextmanager
def read_store(engine: Engine) -> Iterator[Store]:
    """A transaction that sees one state, whoever writes meanwhile.

    Raises:
        StoreError: The database failed.
    """
    with reading(engine) as connection, _opened(connection) as store:
        yield store


@contextmanager
def _opened(connection: Connection) -> Iterator[Store]:
    """The connection's store. What the driver raises in it has not passed SQLAlchemy's wrapping."""
    store = Store(connection)
    try:
        yield store
    except connection.dialect.loaded_dbapi.Error as error:
        # Without its text: PostgreSQL's quotes the row.
        raise StoreError(database_reason(error)) from None
    finally:
        store.close()
