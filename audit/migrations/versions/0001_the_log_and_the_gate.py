"""The log and the gate."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SMALL = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "log_entries",
        sa.Column("leaf_index", _BIG, autoincrement=False, nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", _BIG, nullable=False),
        sa.Column("subject", sa.LargeBinary()),
        sa.Column("salt", sa.LargeBinary()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("commitment", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name="pk_log_entries"),
        sa.UniqueConstraint("event_id", name="uq_log_entries_event_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_log_entries_subject", "log_entries", ["subject"])
    op.create_table(
        "log_tiles",
        sa.Column("level", _SMALL, autoincrement=False, nullable=False),
        sa.Column("tile_index", _BIG, autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "tile_index", name="pk_log_tiles"),
        sqlite_strict=True,
    )
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tree_size", _BIG, nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log_head"),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_head_one_row")),
        sqlite_strict=True,
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("tree_size", _BIG, autoincrement=False, nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tree_size", name="pk_log_checkpoints"),
        sqlite_strict=True,
    )
    op.create_table(
        "grants",
        sa.Column("grant_id", sa.LargeBinary(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("ended_at", _BIG),
        sa.PrimaryKeyConstraint("grant_id", name="pk_grants"),
        sqlite_strict=True,
    )
    op.create_index("ix_grants_principal", "grants", ["principal"])
    op.create_table(
        "closed_cases",
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "reference", name="pk_closed_cases"),
        sqlite_strict=True,
    )
    op.create_table(
        "access_uses",
        sa.Column("event_id", sa.LargeBinary(), nullable=False),
        sa.Column("at", _BIG, nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("subject", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("event_id", name="pk_access_uses"),
        sqlite_strict=True,
    )
    op.create_index("ix_access_uses_at", "access_uses", ["at"])
    op.create_index("ix_access_uses_principal_at", "access_uses", ["principal", "at"])
    op.create_index("ix_access_uses_organisation_at", "access_uses", ["organisation", "at"])
    op.create_index("ix_access_uses_subject_at", "access_uses", ["subject", "at"])


def downgrade() -> None:
    for table in (
        "access_uses", "closed_cases", "grants",
        "log_checkpoints", "log_head", "log_tiles", "log_entries",
    ):  # fmt: skip
        op.drop_table(table)
