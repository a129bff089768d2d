"""Whether a SQLite file has exactly the tables and indexes that its migrations make. Shell.

SQLite keeps their definitions as text inside the file. A changed one can pass its own check, and
then a column compares, or an index sorts, in another way than the code expects.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine

__all__ = ["schema_damage"]

Row: TypeAlias = Iterable[Any]

# What ANALYZE leaves behind is the operator's.
_OBJECTS: Final = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
)
_VERSION: Final = "SELECT version_num FROM alembic_version"
_VERSION_TABLE: Final = "alembic_version"


def schema_damage(
    rows: Callable[[str], Iterable[Row]], metadata: MetaData, migrations: Path
) -> str | None:
    """What differs from a new database, if anything. Names the object, not its text.

    Args:
        rows: Runs a query in the database in question.
        metadata: The tables that it should have.
        migrations: Alembic's folder of that database. One that `create_tables` made has no
            version; one that Alembic made has that of the newest migration.
    """
    expected, version = _expected(metadata, migrations)
    found = {tuple(row) for row in rows(_OBJECTS)}
    migrated = any(_of_version_table(row) for row in found)
    if not migrated:
        expected = frozenset(row for row in expected if not _of_version_table(row))
    if different := expected ^ found:
        names = sorted({str(row[1]) for row in different})
        return f"{names[0]!r} is not defined as the migrations define it"
    if migrated and [tuple(row) for row in rows(_VERSION)] != [(version,)]:
        return f"it is not at migration {version}"
    return None


@lru_cache
def _expected(
    metadata: MetaData, migrations: Path
) -> tuple[frozenset[tuple[Any, ...]], str | None]:
    """The objects and the version of a new database."""
    scripts = ScriptDirectory(str(migrations))
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        MigrationContext.configure(connection).stamp(scripts, "head")
        found = frozenset(tuple(row) for row in connection.exec_driver_sql(_OBJECTS))
    engine.dispose()
    return found, scripts.get_current_head()


def _of_version_table(row: tuple[Any, ...]) -> bool:
    return bool(row[2] == _VERSION_TABLE)
