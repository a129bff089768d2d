"""What a bound person does about themselves, each as one transaction for the writer. Shell."""

from collections.abc import Sequence
from typing import Final

from issuer.colour.decisions import Cause, Decision, judge
from issuer.colour.declare import Declared, declared_records
from issuer.colour.evidence_store import record_evidence
from issuer.colour.notice import Entry
from issuer.colour.timeline import DAY_S
from issuer.errors import InputError, NoPersonError
from issuer.people.problems import Problem
from issuer.storage.tx import Done, Tx

__all__ = ["MAX_DECLARED_PER_DAY", "decide", "declare"]

#: Records that one person may declare within a day.
MAX_DECLARED_PER_DAY: Final = 50
_DECLARED: Final = (
    "SELECT count(*) FROM evidence WHERE subject = ? AND source = ? AND recorded_at > ?"
)


def decide(tx: Tx, subject: bytes) -> Done[Decision]:
    """The decision about a person as of now; logged where it is another one than before.

    Raises:
        NoPersonError: Unknown, erased, or damaged.
    """
    judged = judge(tx, [subject], Cause.REQUEST)
    decision = judged.decisions.get(subject)
    if decision is None:
        raise NoPersonError("no decision can be made about this person")
    return Done(decision, judged.events)


def declare(tx: Tx, subject: bytes, declared: Sequence[Declared]) -> Done[int]:
    """Record what somebody says about themselves; gives how many records that were.

    Raises:
        InputError: It cannot be declared so, or too much was declared within a day.
        NoPersonError: Unknown.
    """
    ids = [tx.event_id() for _ in declared]
    region, source = tx.authority.issuer.region, tx.authority.source
    records = declared_records(declared, ids, source=source, region=region, now=tx.now)
    ((before,),) = tx.store.rows(_DECLARED, (subject, source, tx.now - DAY_S))
    if before + len(records) > MAX_DECLARED_PER_DAY:
        raise InputError(Problem.TOO_MANY)
    return record_evidence(tx, [Entry(subject, record) for record in records])
