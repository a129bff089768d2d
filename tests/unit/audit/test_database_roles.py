"""docs/ops/databases.md on a real server: each role can do its work and nothing else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from audit.database import database_reason, open_engine, reading, writing
from audit.log import Log
from audit.restart import restart_log
from audit.tlog.checkpoint import verify_checkpoint
from audit.verify import Verified, verify_log
from tests.log_support import NOW, SIGNER, a_log, some_events
from tests.postgres_support import Server

ROOT = Path(__file__).parents[3]
AUDIT, ISSUER = "celadon_audit", "celadon_issuer"


def statements() -> list[list[str]]:
    """The statements of the page, block by block."""
    page = (ROOT / "docs" / "ops" / "databases.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return [[line for line in block.split(";\n") if line] for block in blocks]


@pytest.fixture(scope="module")
def server(postgres: Server) -> Iterator[Server]:
    """The server of the tests, with both databases set up as the page says."""
    as_superuser, in_audit, in_issuer = statements()

    def run(block: list[str], user: str, database: str) -> None:
        for statement in block:
            postgres.execute(sql.SQL(statement), user=user, database=database)

    run(as_superuser, "postgres", "postgres")
    with pytest.MonkeyPatch.context() as patch:
        for name, database in (("audit", AUDIT), ("issuer", ISSUER)):
            url = postgres.url(user=f"{database}_owner", database=database)
            patch.setenv(f"CELADON_{name.upper()}_DATABASE", url)
            command.upgrade(Config(ROOT / "alembic.ini", ini_section=name), "head")
    run(in_audit, f"{AUDIT}_owner", AUDIT)
    run(in_issuer, f"{ISSUER}_owner", ISSUER)
    yield postgres
    for database in (AUDIT, ISSUER):
        postgres.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(database)))
    for role in re.findall(r"CREATE ROLE (\w+)", ";".join(as_superuser)):
        postgres.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@contextmanager
def connected(server: Server, user: str, database: str) -> Iterator[Engine]:
    engine = open_engine(server.url(user=user, database=database))
    try:
        yield engine
    finally:
        engine.dispose()


def refused(engine: Engine, statement: str) -> bool:
    try:
        with writing(engine) as connection:
            connection.execute(text(statement))
    except DBAPIError as error:
        if "permission denied" in str(error) or "must be owner" in str(error):
            return True
        raise
    return False


def test_audit_role_can_append_and_erase_and_the_log_verifies(server: Server) -> None:
    """The service does its work with the rights that the page gives, the gate's tables included."""
    with connected(server, "celadon_audit", AUDIT) as engine:
        log = a_log(engine)
        start = log.size()
        log.append(some_events(start, 600), now=NOW)
        assert log.erase((3).to_bytes(16, "big"), now=NOW) == 120
        assert isinstance(verify_log(engine, log.key), Verified)
        for statement in (
            "UPDATE grants SET ended_at = 1 WHERE principal = 'x'",
            "UPDATE access_uses SET subject = NULL WHERE principal = 'x'",
            "DELETE FROM access_uses WHERE at < 0",
        ):
            assert not refused(engine, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM log_entries",
        "TRUNCATE log_entries",
        "DROP TABLE log_entries",
        "ALTER TABLE log_entries DISABLE TRIGGER ALL",
        "UPDATE log_entries SET commitment = '' WHERE leaf_index = 0",
        "UPDATE log_entries SET event_id = '' WHERE leaf_index = 0",
        "UPDATE log_entries SET leaf_index = -1 WHERE leaf_index = 0",
        "UPDATE log_entries SET kind = 'x', at = 0 WHERE leaf_index = 0",
        "DELETE FROM log_tiles",
        "DELETE FROM log_head",
        "DELETE FROM log_checkpoints",
        "UPDATE log_checkpoints SET checkpoint = ''",
        "DELETE FROM grants",
        "UPDATE grants SET principal = 'x'",
        "DELETE FROM closed_cases",
        "CREATE TABLE other (id int)",
    ],
)
def test_audit_role_cannot_take_away_from_the_log(server: Server, statement: str) -> None:
    """B5: what would shorten or rewrite the log is refused by the database itself."""
    with connected(server, "celadon_audit", AUDIT) as engine:
        assert refused(engine, statement)


def test_auditor_can_verify_and_change_nothing(server: Server) -> None:
    """The auditor's role reads everything and writes nothing."""
    with connected(server, "celadon_audit", AUDIT) as engine:
        log = a_log(engine)
        log.append(some_events(10_000, 3), now=NOW)
    with connected(server, "celadon_auditor", AUDIT) as engine:
        assert isinstance(verify_log(engine, log.key), Verified)
        for table in ("log_entries", "log_tiles", "log_head", "log_checkpoints", "grants"):
            assert refused(engine, f"DELETE FROM {table}")  # noqa: S608 - fixed names
        with pytest.raises(DBAPIError, match="permission denied"):
            a_log(engine).append(some_events(20_000, 1), now=NOW)


def test_log_out_of_an_old_copy_is_renamed_by_its_owner_alone(server: Server) -> None:
    """`celadon recover` needs the owner once, as drills.md says; then the service goes on."""
    with connected(server, "celadon_audit", AUDIT) as engine:
        log = a_log(engine)
        log.append(some_events(30_000, 3), now=NOW)
        seen = verify_checkpoint(log.checkpoint(), log.key)
        restart = partial(restart_log, signer=SIGNER, old=log.key, origin="new/2", seen=seen)
        with pytest.raises(DBAPIError) as caught:
            restart(engine)
        assert "may its role do that" in database_reason(caught.value)
        with connected(server, "celadon_audit_owner", AUDIT) as owner:
            restart(owner)
        renamed = Log(engine, SIGNER, "new/2")
        renamed.append(some_events(40_000, 1), now=NOW)
        assert isinstance(verify_log(engine, renamed.key), Verified)
        with connected(server, "celadon_audit_owner", AUDIT) as owner:  # for the other tests
            seen = verify_checkpoint(renamed.checkpoint(), renamed.key)
            restart_log(owner, SIGNER, old=renamed.key, origin=log.key.name, seen=seen)


@pytest.mark.parametrize(
    ("user", "database"),
    [
        ("celadon_issuer", AUDIT),
        ("celadon_issuer_owner", AUDIT),
        ("celadon_audit", ISSUER),
        ("celadon_auditor", ISSUER),
        ("celadon_audit_owner", ISSUER),
    ],
)
def test_role_cannot_reach_the_other_database(server: Server, user: str, database: str) -> None:
    """Whoever holds one package's role gets nothing of the other's."""
    refusal = pytest.raises(DBAPIError, match="permission denied for database")
    with connected(server, user, database) as engine, refusal, reading(engine):
        pass


def test_issuer_role_works_in_its_database_and_does_not_migrate(server: Server) -> None:
    """The issuer's service reads and writes rows; tables are its owner's."""
    with connected(server, "celadon_issuer", ISSUER) as engine, reading(engine) as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ).scalars()
        names = [name for name in tables if name != "alembic_version"]
        assert names
        for name in names:
            connection.execute(text(f'SELECT count(*) FROM "{name}"'))  # noqa: S608 - from the server
    with connected(server, "celadon_issuer", ISSUER) as engine:
        assert refused(engine, f'DROP TABLE "{names[0]}"')
