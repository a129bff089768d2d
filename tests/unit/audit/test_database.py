"""Opening databases: private files, durable settings, no values in errors, migrations."""

import os
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from audit.database import open_engine, reading, writing
from audit.errors import DatabaseDamagedError
from audit.models import closed_cases, log_entries, metadata
from tests.log_support import a_log, opened, some_events

ROOT = Path(__file__).parents[3]
CANARY = b"canary-310104199001011234"


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_open_engine_sqlite_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The database, its write-ahead log and its index are 0600 whatever the umask says."""
    with umask(0), opened(f"sqlite:///{tmp_path}/a.db") as engine:
        a_log(engine).append(some_events(0, 3), now=2_000_000_000)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"a.db": 0o600, "a.db-wal": 0o600, "a.db-shm": 0o600}


def test_open_engine_sqlite_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """A copy made under an open umask loses the rights of others when it is opened."""
    path = tmp_path / "a.db"
    path.touch(mode=0o666)
    path.chmod(0o666)
    open_engine(f"sqlite:///{path}").dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_open_engine_sqlite_every_connection_is_durable(tmp_path: Path) -> None:
    """Each connection has WAL, synchronous FULL, secure_delete and foreign keys."""
    with (
        opened(f"sqlite:///{tmp_path}/a.db") as engine,
        reading(engine) as first,
        reading(engine) as second,
    ):
        for connection in (first, second):
            wanted = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1,
                      "foreign_keys": 1, "busy_timeout": 10_000}  # fmt: skip
            found = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
            assert found == wanted


def test_postgresql_server_of_the_tests_is_durable(postgres_engine: Engine) -> None:
    """The server that tests run on syncs its commits, as a served one does."""
    with reading(postgres_engine) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(text(f"SHOW {name}")).scalar() == "on"


@pytest.fixture
def postgres_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    server = request.getfixturevalue("postgres")
    with opened(server.url(schema=server.new_schema())) as engine:
        yield engine


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"], ids=["none", "memory", "my"]
)
def test_open_engine_url_that_keeps_nothing_is_a_wrong_call(url: str) -> None:
    """A database in memory or of another kind is refused before anything is opened."""
    with pytest.raises(ValueError, match=r"needs a file|is not a database"):
        open_engine(url)


def test_failed_statement_shows_no_bound_value(engine_url: str) -> None:
    """C122: neither the error nor what it chains holds a value that was bound."""
    row = {"leaf_index": 0, "event_id": CANARY, "kind": CANARY.decode(), "at": 1,
           "subject": CANARY, "commitment": CANARY}  # fmt: skip
    with opened(engine_url) as engine:
        with writing(engine) as connection:
            connection.execute(log_entries.insert().values(row))
        for again in (row, [row, row]):
            with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
                connection.execute(log_entries.insert(), again)
            assert CANARY.decode() not in f"{caught.value}{caught.value!r}"
            assert "hide_parameters" in str(caught.value)


def test_broken_constraint_shows_no_row(engine_url: str) -> None:
    """C122: the server's own words about the row that broke a constraint do not come through."""
    row = {"organisation": CANARY.decode(), "reference": CANARY.decode(), "event_id": CANARY}
    with opened(engine_url) as engine:
        with writing(engine) as connection:
            connection.execute(closed_cases.insert().values(row))
        for broken in (row, row | {"reference": "other", "event_id": None}):
            with pytest.raises(IntegrityError) as caught, writing(engine) as connection:
                connection.execute(closed_cases.insert().values(broken))
            shown = "".join(traceback.format_exception(caught.value))
            assert CANARY.decode() not in shown
            assert CANARY.hex() not in shown


def test_writing_error_inside_leaves_nothing(engine_url: str) -> None:
    """A transaction that fails is wholly absent."""
    with opened(engine_url) as engine:
        with pytest.raises(ZeroDivisionError), writing(engine) as connection:
            _write_and_fail(connection)
        with reading(engine) as connection:
            assert connection.execute(select(log_entries)).all() == []


def _write_and_fail(connection: Connection) -> None:
    row = {"leaf_index": 0, "event_id": b"x", "kind": "k", "at": 1, "commitment": b"c"}
    connection.execute(log_entries.insert().values(row))
    raise ZeroDivisionError


def test_reading_sees_one_state_while_another_writes(engine_url: str) -> None:
    """What is read in one transaction fits together, whoever commits meanwhile."""
    with opened(engine_url) as engine:
        log = a_log(engine)
        log.append(some_events(0, 3), now=2_000_000_000)
        count = text("SELECT count(*) FROM log_entries")
        with reading(engine) as connection:
            assert connection.execute(count).scalar() == 3
            log.append(some_events(3, 3), now=2_000_000_000)
            assert connection.execute(count).scalar() == 3
        with reading(engine) as connection:
            assert connection.execute(count).scalar() == 6


def test_writing_takes_the_lock_at_once(tmp_path: Path) -> None:
    """A second writer waits at its beginning, not in the middle: SQLite cannot refuse it later."""
    url = f"sqlite:///{tmp_path}/a.db"
    with opened(url) as engine, writing(engine), engine.connect() as other:
        other.exec_driver_sql("PRAGMA busy_timeout = 0")
        other.rollback()
        other.execution_options(celadon_writes=True)
        with pytest.raises(OperationalError, match="locked"):
            other.begin()


@pytest.mark.parametrize("content", [b"not a database, not a database" * 99, b"x" * 4096])
def test_reading_file_that_is_no_database_is_named_as_damaged(
    tmp_path: Path, content: bytes
) -> None:
    """SQLite's own errors about a damaged file come out as one of ours, with the file's name."""
    path = tmp_path / "a.db"
    path.write_bytes(content)
    engine = open_engine(f"sqlite:///{path}")
    with pytest.raises(DatabaseDamagedError, match=r"a\.db is damaged"), reading(engine):
        pass
    engine.dispose()


def alembic_config() -> Config:
    return Config(ROOT / "alembic.ini", ini_section="audit")


def test_migrations_lead_to_the_tables_of_the_models_and_back(
    engine_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`alembic -n audit upgrade head` makes exactly what the models say; downgrade removes it."""
    monkeypatch.setenv("CELADON_AUDIT_DATABASE", engine_url)
    command.upgrade(alembic_config(), "head")
    engine = open_engine(engine_url)
    try:
        with reading(engine) as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            assert compare_metadata(context, metadata) == []
            checks = inspect(connection).get_check_constraints("log_head")
            assert [check["name"] for check in checks] == ["ck_log_head_one_row"]
        a_log(engine).append(some_events(0, 2), now=2_000_000_000)
        command.downgrade(alembic_config(), "base")
        with reading(engine) as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    finally:
        engine.dispose()


def test_migrated_sqlite_tables_are_as_strict_as_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to make the tables give the same columns, strictness included."""
    made: list[set[tuple[str, int]]] = []
    with opened(f"sqlite:///{tmp_path}/models.db") as engine, reading(engine) as connection:
        made.append(_strictness(connection))
    monkeypatch.setenv("CELADON_AUDIT_DATABASE", f"sqlite:///{tmp_path}/migrated.db")
    command.upgrade(alembic_config(), "head")
    engine = open_engine(f"sqlite:///{tmp_path}/migrated.db")
    with reading(engine) as connection:
        made.append(_strictness(connection))
    engine.dispose()
    assert made[0] == made[1]
    assert {strict for _, strict in made[0]} == {1}


def _strictness(connection: Connection) -> set[tuple[str, int]]:
    rows = connection.execute(text("SELECT name, strict FROM pragma_table_list"))
    return {(n, s) for n, s in rows if not n.startswith("sqlite_") and n != "alembic_version"}


def test_migration_without_a_url_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing setting is one line."""
    monkeypatch.delenv("CELADON_AUDIT_DATABASE", raising=False)
    with pytest.raises(Exception, match="CELADON_AUDIT_DATABASE is not set"):
        command.upgrade(alembic_config(), "head")


def test_sql_for_an_administrator_has_every_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`alembic -n audit upgrade head --sql` prints statements without touching a database."""
    monkeypatch.setenv("CELADON_AUDIT_DATABASE", "postgresql://nobody@/nowhere")
    command.upgrade(alembic_config(), "head", sql=True)
    printed = capsys.readouterr().out
    assert all(f"CREATE TABLE {table}" in printed for table in metadata.tables)


def test_driver_errors_are_database_errors(engine_url: str) -> None:
    """A statement that the database does not know raises what callers catch."""
    with (
        opened(engine_url) as engine,
        pytest.raises(DBAPIError),
        reading(engine) as connection,
    ):
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_open_engine_twice_in_a_process_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """Who closes any descriptor of a file drops all locks of his process on it (POSIX)."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    first = open_engine(url)
    with reading(first) as connection:
        connection.exec_driver_sql("SELECT * FROM sqlite_schema").all()
    assert not _unlocked(tmp_path / "log.db")
    second = open_engine(url)
    assert not _unlocked(tmp_path / "log.db")
    first.dispose()
    second.dispose()
    assert _unlocked(tmp_path / "log.db")


def _unlocked(path: Path) -> bool:
    """Whether another process could take what SQLite calls the shared lock for itself."""
    code = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'r+b')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)"
    )
    tried = subprocess.run([sys.executable, "-c", code, path], check=False, capture_output=True)
    return tried.returncode == 0
