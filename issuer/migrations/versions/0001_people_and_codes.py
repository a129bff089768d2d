"""People, evidence, decisions, codes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "binding",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("binding_id", sa.LargeBinary(length=8), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("bound_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_binding"),
        sa.UniqueConstraint("subject", "binding_id", name="uq_binding_subject_binding_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_binding_expires_at", "binding", ["expires_at"])
    op.create_table(
        "code_batch",
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("colour", sa.SmallInteger(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("taken_back", sa.LargeBinary(length=16)),
        sa.PrimaryKeyConstraint("event_id", name="pk_code_batch"),
        sa.UniqueConstraint("request_id", name="uq_code_batch_request_id"),
    )
    op.create_index("ix_code_batch_subject_exp", "code_batch", ["subject", "exp"])
    op.create_table(
        "code_key",
        sa.Column("kid", sa.LargeBinary(length=4), nullable=False),
        sa.Column("codes", sa.Integer(), nullable=False),
        sa.Column("logged", sa.Integer(), nullable=False),
        sa.Column("stopped_at", sa.BigInteger()),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("kid", name="pk_code_key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decision",
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("colour", sa.SmallInteger()),
        sa.Column("rule_set", sa.String(length=64), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("risk_version", sa.Integer(), nullable=False),
        sa.Column("evidence_commitment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("changes_at", sa.BigInteger()),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_decision"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_decision_changes_at", "decision", ["changes_at"])
    op.create_table(
        "evidence",
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("evidence_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("origin_region", sa.String(length=6), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "evidence_id", name="pk_evidence"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_evidence_place_subject", "evidence", ["place", "subject"])
    op.create_table(
        "identity",
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_identity"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identity_index",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_identity_index"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_identity_index_subject", "identity_index", ["subject"])
    op.create_table(
        "job",
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("places", sa.LargeBinary()),
        sa.Column("watermark", sa.LargeBinary(length=16), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("recoloured", sa.Integer(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_job"),
    )
    op.create_table(
        "log_position",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_log_position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "lost_position",
        sa.Column("list_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("list_number", name="pk_lost_position"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "notice",
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_notice"),
    )
    op.create_table(
        "one_time_code",
        sa.Column("request_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("asked_for", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16)),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("request_hash", name="pk_one_time_code"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_one_time_code_asked_for_made_at", "one_time_code", ["asked_for", "made_at"])
    op.create_index("ix_one_time_code_expires_at", "one_time_code", ["expires_at"])
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tree_size", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
    )
    op.create_table(
        "region_appeal",
        sa.Column("appeal_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16)),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("ground", sa.String(length=16), nullable=False),
        sa.Column("evidence_ids", sa.LargeBinary(), nullable=False),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("appeal_id", name="pk_region_appeal"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_region_appeal_state_deadline", "region_appeal", ["state", "deadline"])
    op.create_index("ix_region_appeal_subject", "region_appeal", ["subject"])
    op.create_table(
        "region_evidence",
        sa.Column("evidence_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("region", sa.String(length=6), nullable=False),
        sa.Column("subject", sa.LargeBinary(length=16)),
        sa.Column("record", sa.LargeBinary()),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("evidence_id", "region", name="pk_region_evidence"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_region_evidence_region_told_at", "region_evidence", ["region", "told_at"])
    op.create_table(
        "region_inbox",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_region_inbox"),
        sa.UniqueConstraint("sender", "number", name="uq_region_inbox_sender_number"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "region_outbox",
        sa.Column("message_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("receiver", sa.String(length=6), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("envelope", sa.LargeBinary()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try", sa.BigInteger()),
        sa.Column("receipt", sa.LargeBinary()),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_region_outbox"),
        sa.UniqueConstraint("receiver", "number", name="uq_region_outbox_receiver_number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_region_outbox_next_try", "region_outbox", ["next_try"])
    op.create_table(
        "region_waiting",
        sa.Column("entry", sa.LargeBinary(length=32), nullable=False),
        sa.Column("evidence_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sender", sa.String(length=6), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("entry", "evidence_id", name="pk_region_waiting"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_region_waiting_evidence_id", "region_waiting", ["evidence_id"])
    op.create_index("ix_region_waiting_expires_at", "region_waiting", ["expires_at"])
    op.create_table(
        "risk_table",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("adopted_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_risk_table"),
    )
    op.create_table(
        "rule_set",
        sa.Column("rule_set", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("adopted_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("rule_set", "version", name="pk_rule_set"),
    )
    op.create_table(
        "status_change",
        sa.Column("list_number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("list_number", "status_index", name="pk_status_change"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "status_list",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.Integer(), nullable=False),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_status_list"),
    )
    op.create_index("ix_status_list_day", "status_list", ["day"])
    op.create_table(
        "subject",
        sa.Column("subject", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(length=72), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_subject"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    for table in (
        "subject",
        "status_list",
        "status_change",
        "rule_set",
        "risk_table",
        "region_waiting",
        "region_outbox",
        "region_inbox",
        "region_evidence",
        "region_appeal",
        "outbox",
        "one_time_code",
        "notice",
        "lost_position",
        "log_position",
        "job",
        "identity_index",
        "identity",
        "evidence",
        "decision",
        "code_key",
        "code_batch",
        "binding",
    ):
        op.drop_table(table)
