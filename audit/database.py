"""One way to open a database: SQLite as the embedded default, PostgreSQL beside it. Shell.

Values never reach an exception's text: `hide_parameters`, and no details from the server. A
SQLite file is made with mode 0600 before SQLite first opens it; its -wal and -shm files inherit
that. Transactions that write take the write lock at once, so none of them fails half-way because
another one came first.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from audit.errors import DatabaseDamagedError

__all__ = [
    "create_tables",
    "database_reason",
    "is_disk_failure",
    "open_engine",
    "reading",
    "writing",
]

#: Milliseconds that a writer waits for another process to finish.
_BUSY_TIMEOUT_MS: Final = 10_000
_WRITES: Final = "celadon_writes"
_UNMIGRATED: Final = "; is it migrated?"
_FORBIDDEN: Final = "; may its role do that? docs/ops/databases.md"
_HINTS: Final = {
    "UndefinedTable": _UNMIGRATED,
    "UndefinedColumn": _UNMIGRATED,
    "SQLITE_ERROR": _UNMIGRATED,
    "InsufficientPrivilege": _FORBIDDEN,
}


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///PATH` or `postgresql://...`. Creates no tables.

    Raises:
        ValueError: The URL is of another kind, or asks for a SQLite database in memory, which
            could keep nothing durable.
    """
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
            event.listen(engine, "handle_error", _without_values)
            return engine
        case other:
            raise ValueError(f"{other} is not a database that Celadon uses")


def create_tables(engine: Engine, metadata: MetaData) -> None:
    """Make the tables that are missing. A served database is migrated by Alembic instead."""
    with writing(engine) as connection:
        metadata.create_all(connection)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may write; committed, durable, when the block ends without an error."""
    with engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database, whoever writes meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def database_reason(error: BaseException) -> str:
    """What a database refused, in one line for its operator.

    Without the error's text, which may quote a row, but for what was said while connecting.

    Args:
        error: Of SQLAlchemy or of a driver.
    """
    if isinstance(error, DBAPIError) and error.statement is None:
        return f"a database cannot be reached: {' '.join(str(error.orig).split())}"
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = getattr(cause, "sqlite_errorname", type(cause).__name__)
    return f"the database: {kind}{_HINTS.get(kind, '')}"


def is_disk_failure(error: DBAPIError) -> bool:
    """Whether SQLite could not read or write its file, so that nothing is known of a commit."""
    return _sqlite_code(error.orig) == sqlite3.SQLITE_IOERR


def _sqlite_code(error: BaseException | None) -> int | None:
    """SQLite's primary result code."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_damage(error: BaseException) -> bool:
    """Whether the file is not what SQLite wrote, as SQLite or Python's module for it puts it."""
    return (
        isinstance(error, UnicodeDecodeError)  # the text of SQLite's error quotes a damaged name
        or _sqlite_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        or str(error).startswith("Could not decode to UTF-8")
    )


def _without_values(context: ExceptionContext) -> None:
    """PostgreSQL quotes the row that broke a constraint, where `hide_parameters` does not reach."""
    diagnosis = getattr(context.original_exception, "diag", None)
    if diagnosis is not None and diagnosis.message_detail is not None:
        for error in (context.original_exception, context.sqlalchemy_exception):
            if error is not None:
                error.args = (diagnosis.message_primary,)


def _on_error(context: ExceptionContext) -> DatabaseDamagedError | None:
    if context.engine is not None and _is_damage(context.original_exception):
        return DatabaseDamagedError(f"{context.engine.url.database} is damaged")
    return None


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError("a SQLite database needs a file")
    _make_private(Path(url.database))
    engine = create_engine(url, hide_parameters=True)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    event.listen(engine, "handle_error", _on_error)
    return engine


def _make_private(path: Path) -> None:
    """Create the file for its owner alone, or take the others' rights away."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # Not opened: closing it would drop every lock that SQLite holds on it in this process.
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)


def _on_connect(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, see _on_begin
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",  # NORMAL may lose the last commits when power fails
        "secure_delete = ON",
        # 16 MiB: pages of indexes over random ids are written back once instead of often.
        "wal_autocheckpoint = 4000",
        "foreign_keys = ON",
    ):
        try:
            cursor.execute(f"PRAGMA {pragma}")
        except UnicodeDecodeError as error:
            # SQLAlchemy passes on only the driver's own errors while it connects.
            damage = sqlite3.DatabaseError("the schema is not text")
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage from error
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
