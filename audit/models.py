"""The audit package's tables. Shell. ADR 0005 says why they look like this."""

from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

__all__ = [
    "MIGRATIONS", "access_uses", "closed_cases", "grants", "log_checkpoints", "log_entries",
    "log_head", "log_tiles", "metadata",
]  # fmt: skip

#: Alembic's folder, which makes these tables step by step.
MIGRATIONS: Final = Path(__file__).with_name("migrations")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)

# Only INTEGER makes a SQLite primary key the row's own number.
_Big = BigInteger().with_variant(Integer, "sqlite")
_Small = SmallInteger().with_variant(Integer, "sqlite")

log_entries = Table(
    "log_entries",
    metadata,
    Column("leaf_index", _Big, primary_key=True, autoincrement=False),
    Column("event_id", LargeBinary, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("at", _Big, nullable=False),
    Column("subject", LargeBinary, index=True),
    Column("salt", LargeBinary),
    Column("body", LargeBinary),
    Column("commitment", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# Hashes of complete subtrees, 256 a tile, as in c2sp.org/tlog-tiles; the last of a level grows.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", _Small, primary_key=True, autoincrement=False),
    Column("tile_index", _Big, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# One row: what is compared and set for each batch.
log_head = Table(
    "log_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("tree_size", _Big, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    sqlite_strict=True,
)

# At most one checkpoint for each 256 entries: they narrow down where a rewritten log went wrong.
log_checkpoints = Table(
    "log_checkpoints",
    metadata,
    Column("tree_size", _Big, primary_key=True, autoincrement=False),
    Column("checkpoint", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# What the gate needs to find without reading the whole log. All three are indexes: the grant itself
# is the body of the log entry with the same id, and `audit.gatecheck` compares them with the log.
grants = Table(
    "grants",
    metadata,
    Column("grant_id", LargeBinary, primary_key=True),
    Column("principal", Text, nullable=False, index=True),
    Column("ended_at", _Big),  # revoked before its day
    sqlite_strict=True,
)

closed_cases = Table(
    "closed_cases",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("event_id", LargeBinary, nullable=False),
    sqlite_strict=True,
)

# The reads of the last day, for the quotas; older rows are deleted as new ones come.
access_uses = Table(
    "access_uses",
    metadata,
    Column("event_id", LargeBinary, primary_key=True),
    Column("at", _Big, nullable=False, index=True),
    Column("principal", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("subject", LargeBinary),  # null where people read their own record
    Index("ix_access_uses_principal_at", "principal", "at"),
    Index("ix_access_uses_organisation_at", "organisation", "at"),
    Index("ix_access_uses_subject_at", "subject", "at"),
    sqlite_strict=True,
)
