"""The schema of a SQLite file: as the migrations make it, or it is said what differs."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData

import audit.models
import issuer.models
from audit.database import create_tables, open_engine
from audit.schema import schema_damage
from audit.verify import Broken, Verified, verify_log
from tests.log_support import a_log, opened, some_events

ROOT = Path(__file__).parents[3]
MODELS: dict[str, tuple[MetaData, Path]] = {
    "audit": (audit.models.metadata, audit.models.MIGRATIONS),
    "issuer": (issuer.models.metadata, issuer.models.MIGRATIONS),
}


@pytest.fixture(params=MODELS)
def package(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def migrated(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new file, made by Alembic."""
    path = tmp_path / "migrated.db"
    monkeypatch.setenv(f"CELADON_{package.upper()}_DATABASE", f"sqlite:///{path}")
    command.upgrade(Config(ROOT / "alembic.ini", ini_section=package), "head")
    return path


def damage(path: Path, package: str) -> str | None:
    with closing(sqlite3.connect(path)) as raw:
        return schema_damage(raw.execute, *MODELS[package])


def test_schema_of_a_migrated_and_of_a_created_file_is_in_order(
    package: str, migrated: Path, tmp_path: Path
) -> None:
    """Neither way to make the tables is taken for damage."""
    assert damage(migrated, package) is None
    engine = open_engine(f"sqlite:///{tmp_path}/created.db")
    create_tables(engine, MODELS[package][0])
    engine.dispose()
    assert damage(tmp_path / "created.db", package) is None


def test_schema_any_changed_byte_of_a_definition_names_the_object(
    package: str, migrated: Path
) -> None:
    """No letter of a table's or an index's definition can change in silence."""
    with closing(sqlite3.connect(migrated)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        for name, sql in raw.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        ).fetchall():
            for changed in _changed(sql):
                raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (changed, name))
                why = schema_damage(raw.execute, *MODELS[package])
                assert why == f"{name!r} is not defined as the migrations define it"
            raw.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))
        assert schema_damage(raw.execute, *MODELS[package]) is None


def _changed(sql: str) -> Iterator[str]:
    for at, letter in enumerate(sql):
        yield sql[:at] + chr(ord(letter) ^ 1) + sql[at + 1 :]


@pytest.mark.parametrize(
    "change",
    ["UPDATE alembic_version SET version_num = '0000'", "DELETE FROM alembic_version"],
)
def test_schema_of_another_migration_is_said(package: str, migrated: Path, change: str) -> None:
    """A file that says it is at another migration than this code is not passed over."""
    with closing(sqlite3.connect(migrated)) as raw, raw:
        raw.execute(change)
    assert "it is not at migration" in (damage(migrated, package) or "")


@pytest.mark.parametrize(
    "change",
    ["CREATE TABLE vip (subject BLOB)", "CREATE VIEW people AS SELECT 1"],
)
def test_schema_with_one_object_more_is_named(package: str, migrated: Path, change: str) -> None:
    """What no migration made has no place beside the tables."""
    with closing(sqlite3.connect(migrated)) as raw, raw:
        raw.execute(change)
    assert "is not defined as" in (damage(migrated, package) or "")


def test_verify_log_with_a_changed_index_is_broken(tmp_path: Path) -> None:
    """An index that compares otherwise passes SQLite's own check, and not ours."""
    path = tmp_path / "log.db"
    with opened(f"sqlite:///{path}") as engine:
        log = a_log(engine)
        log.append(some_events(0, 3), now=1)
        assert isinstance(verify_log(engine, log.key), Verified)
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("UPDATE sqlite_master SET sql = sql || ' ' WHERE type = 'index' AND sql > ''")
    with opened(f"sqlite:///{path}") as engine:
        verdict = verify_log(engine, log.key)
    assert isinstance(verdict, Broken)
    assert "is not defined as the migrations define it" in verdict.why
