"""The migrations make what the models say."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect

from audit.database import create_tables, open_engine, reading
from issuer.models import metadata

ROOT = Path(__file__).parents[3]


def alembic_config() -> Config:
    return Config(ROOT / "alembic.ini", ini_section="issuer")


def test_issuer_migrations_lead_to_the_tables_of_the_models_and_back(
    engine_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`alembic -n issuer upgrade head` makes exactly what the models say; downgrade removes it."""
    monkeypatch.setenv("CELADON_ISSUER_DATABASE", engine_url)
    command.upgrade(alembic_config(), "head")
    engine = open_engine(engine_url)
    try:
        with reading(engine) as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            assert compare_metadata(context, metadata) == []
        command.downgrade(alembic_config(), "base")
        with reading(engine) as connection:
            assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        command.upgrade(alembic_config(), "head")
    finally:
        engine.dispose()


def test_migrated_sqlite_tables_have_the_same_statements_as_those_of_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to make the tables give the same, clustering by primary key included."""
    monkeypatch.setenv("CELADON_ISSUER_DATABASE", f"sqlite:///{tmp_path}/migrated.db")
    command.upgrade(alembic_config(), "head")
    migrated = open_engine(f"sqlite:///{tmp_path}/migrated.db")
    created = open_engine(f"sqlite:///{tmp_path}/created.db")
    try:
        create_tables(created, metadata)
        assert _statements(migrated) == _statements(created)
    finally:
        migrated.dispose()
        created.dispose()


def _statements(engine: Engine) -> set[str]:
    """The SQL that SQLite keeps of every table and index of ours."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
        )
        return {" ".join(sql.split()) for (sql,) in rows}
