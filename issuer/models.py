"""The issuer's tables. No row here holds an identity in clear; a person is a `subject`, 16 bytes.

The set-oriented core writes them with positional tuples (`issuer.storage.store`), so the order of
the columns matters there. Times are UNIX seconds. What each column is covered by, so that a flipped
byte is noticed, stands in docs/spec/issuing.md.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "MIGRATIONS", "binding", "code_batch", "code_key", "decision", "evidence", "identity",
    "identity_index", "job", "log_position", "lost_position", "metadata", "notice", "one_time_code",
    "outbox", "region_appeal", "region_evidence", "region_inbox", "region_outbox", "region_waiting",
    "risk_table", "rule_set", "status_change", "status_list", "subject",
]  # fmt: skip

#: Alembic's folder, which makes these tables step by step.
MIGRATIONS: Final = Path(__file__).with_name("migrations")

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One person inside the issuer: the wrapped key under which everything about them is sealed.
#: Erasing a person destroys `wrapped_key`.
subject: Final = Table(
    "subject",
    metadata,
    Column("subject", LargeBinary(16), primary_key=True),
    Column("wrapped_key", LargeBinary(72), nullable=False),  # issuer.storage.sealing.wrap
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Evidence about a person. Clustered by subject, because assessing reads all of one person's.
evidence: Final = Table(
    "evidence",
    metadata,
    Column("subject", LargeBinary(16), primary_key=True),
    Column("evidence_id", LargeBinary(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),
    Column("place", String(64), nullable=False),
    Column("value", String(64), nullable=False),
    Column("source", String(64), nullable=False),
    Column("origin_region", String(6), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    # Who is concerned when the risk of a place changes is read from this index alone.
    Index(None, "place", "subject"),
    sqlite_with_rowid=False,
)

#: The present decision about a person; those before it are in the log.
decision: Final = Table(
    "decision",
    metadata,
    Column("subject", LargeBinary(16), primary_key=True),
    Column("colour", SmallInteger),  # NULL: pending
    Column("rule_set", String(64), nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("risk_version", Integer, nullable=False),
    Column("evidence_commitment", LargeBinary(32), nullable=False),
    Column("reasons", Text, nullable=False),
    Column("decided_at", BigInteger, nullable=False),
    Column("changes_at", BigInteger),
    Column("cause", String(16), nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
    Index(None, "changes_at"),
    sqlite_with_rowid=False,
)

#: The codes of one request, sealed under the person's key with the other columns as associated
#: data (except `taken_back`, the event that took them back). `request_id` is a keyed hash of the
#: person and the idempotency key.
code_batch: Final = Table(
    "code_batch",
    metadata,
    Column("event_id", LargeBinary(16), primary_key=True),
    Column("subject", LargeBinary(16), nullable=False),
    Column("request_id", LargeBinary(16), nullable=False, unique=True),
    Column("request_hash", LargeBinary(16), nullable=False),
    Column("colour", SmallInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("exp", BigInteger, nullable=False),  # of the code that lives longest
    Column("sealed", LargeBinary, nullable=False),
    Column("taken_back", LargeBinary(16)),
    Index(None, "subject", "exp"),
)

#: One status list: codes whose exp lies on one day, and how many of its positions are used.
status_list: Final = Table(
    "status_list",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, nullable=False),  # exp // 86400
    Column("size", Integer, nullable=False),
    Column("cursor", Integer, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "day"),
)

#: One code key: how many codes it signed, and how many of them the log was seen to hold.
code_key: Final = Table(
    "code_key",
    metadata,
    Column("kid", LargeBinary(4), primary_key=True),
    Column("codes", Integer, nullable=False),
    Column("logged", Integer, nullable=False),
    Column("stopped_at", BigInteger),  # since when it signs nothing, because the two differed
    Column("mac", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)

#: How far the log was reconciled with the counts of `code_key`. One row.
log_position: Final = Table(
    "log_position",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("leaf_index", BigInteger, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)

#: Positions whose status is not VALID. A row never goes away and never turns back.
status_change: Final = Table(
    "status_change",
    metadata,
    Column("list_number", Integer, primary_key=True, autoincrement=False),
    Column("status_index", Integer, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Lists in which a database that was lost gave positions out, from this place of the order on
#: (`issuer.recovery.recovery`). Nobody can say whose those codes are, so they are all taken back.
lost_position: Final = Table(
    "lost_position",
    metadata,
    Column("list_number", Integer, primary_key=True, autoincrement=False),
    Column("first", Integer, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)

#: Rule sets as signed, every version that ever decided anything.
rule_set: Final = Table(
    "rule_set",
    metadata,
    Column("rule_set", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("signed", LargeBinary, nullable=False),
    Column("adopted_at", BigInteger, nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
)

#: Risk tables as signed, every version that ever decided anything.
risk_table: Final = Table(
    "risk_table",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("signed", LargeBinary, nullable=False),
    Column("adopted_at", BigInteger, nullable=False),
    Column("event_id", LargeBinary(16), nullable=False),
)

#: A re-assessment under way: where it is, so that it goes on after a crash.
job: Final = Table(
    "job",
    metadata,
    Column("event_id", LargeBinary(16), primary_key=True),  # of the change that caused it
    Column("cause", String(16), nullable=False),
    Column("places", LargeBinary),  # CBOR list of those still to do; NULL: everyone
    Column("watermark", LargeBinary(16), nullable=False),  # last subject done, at the first place
    Column("seen", Integer, nullable=False),
    Column("recoloured", Integer, nullable=False),
    Column("damaged", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
)

#: The last notice taken from each source of evidence.
notice: Final = Table(
    "notice",
    metadata,
    Column("source", String(8), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
)

#: Log events of transactions that the log may not hold yet, written in the same transaction.
outbox: Final = Table(
    "outbox",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("tree_size", BigInteger, nullable=False),  # of the log when this was written
    Column("events", LargeBinary, nullable=False),  # CBOR
    Column("mac", LargeBinary(16), nullable=False),
)


# People and sessions: issuer/people/people.py, issuer/people/binding.py.

#: Who a subject is: name, phone, identity number, sealed under the person's key.
identity: Final = Table(
    "identity",
    metadata,
    Column("subject", LargeBinary(16), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    sqlite_with_rowid=False,
)

#: The keyed slow index: how a person is found by name and phone, or by identity number.
identity_index: Final = Table(
    "identity_index",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("subject", LargeBinary(16), nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "subject"),
    sqlite_with_rowid=False,
)

#: One-time codes on their way. *subject* is NULL where nobody is registered under the name and
#: phone that were given: everything else happens all the same.
one_time_code: Final = Table(
    "one_time_code",
    metadata,
    Column("request_hash", LargeBinary(32), primary_key=True),
    Column("asked_for", LargeBinary(32), nullable=False),  # identity_index.digest
    Column("subject", LargeBinary(16)),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("tries", SmallInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "asked_for", "made_at"),
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)

#: Bindings: whoever holds a token is this person until it expires or is revoked.
binding: Final = Table(
    "binding",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("binding_id", LargeBinary(8), nullable=False),
    Column("subject", LargeBinary(16), nullable=False),
    Column("bound_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("mac", LargeBinary(16), nullable=False),
    UniqueConstraint("subject", "binding_id"),
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)


# Between regions: issuer/between/.

#: Notices to other regions, numbered for each. *envelope* is there until its *receipt* is; with
#: that it needs no *next_try* any more.
region_outbox: Final = Table(
    "region_outbox",
    metadata,
    Column("message_id", LargeBinary(16), primary_key=True),
    Column("receiver", String(6), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("envelope", LargeBinary),
    Column("tries", Integer, nullable=False),
    Column("next_try", BigInteger),
    Column("receipt", LargeBinary),
    Column("mac", LargeBinary(16), nullable=False),
    UniqueConstraint("receiver", "number"),
    Index(None, "next_try"),
    sqlite_with_rowid=False,
)

#: Notices from other regions. *envelope* is there until the notice had its effect.
region_inbox: Final = Table(
    "region_inbox",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("sender", String(6), nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("receipt", LargeBinary, nullable=False),
    Column("envelope", LargeBinary),
    Column("mac", LargeBinary(16), nullable=False),
    UniqueConstraint("sender", "number"),
    sqlite_with_rowid=False,
)

#: Which record was told to or by which region: about a *subject* here, or told by us, and then what
#: it said, to be sent again when somebody contests it. No identity.
region_evidence: Final = Table(
    "region_evidence",
    metadata,
    Column("evidence_id", LargeBinary(16), primary_key=True),
    Column("region", String(6), primary_key=True),  # the other one
    Column("subject", LargeBinary(16)),
    Column("record", LargeBinary),
    Column("told_at", BigInteger, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "region", "told_at"),
    sqlite_with_rowid=False,
)

#: Evidence about people who are not registered here. Found and opened by an index entry only.
region_waiting: Final = Table(
    "region_waiting",
    metadata,
    Column("entry", LargeBinary(32), primary_key=True),
    Column("evidence_id", LargeBinary(16), primary_key=True),
    Column("sender", String(6), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "evidence_id"),
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)

#: Appeals about evidence of another region: ours, about a person here (*subject*), or theirs.
region_appeal: Final = Table(
    "region_appeal",
    metadata,
    Column("appeal_id", LargeBinary(16), primary_key=True),
    Column("subject", LargeBinary(16)),
    Column("region", String(6), nullable=False),  # the other one
    Column("ground", String(16), nullable=False),
    Column("evidence_ids", LargeBinary, nullable=False),
    Column("filed_at", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("mac", LargeBinary(16), nullable=False),
    Index(None, "subject"),
    Index(None, "state", "deadline"),
    sqlite_with_rowid=False,
)
