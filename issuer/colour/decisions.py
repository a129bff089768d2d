"""Deciding for many people at once: read evidence, assess, write what changed. Shell.

Whoever needs a colour comes through `judge`: an issue, new evidence, a risk level, a new rule
set, the end of a window. It is the only writer of `decision`, and `assess` the only source of
what it writes. Codes of a colour that no longer holds are taken back in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from audit.events import Event
from audit.events import Kind as EventKind
from issuer.codes.batches import take_back
from issuer.colour.assess import Assessed, assess
from issuer.colour.evidence import Evidence, Kind
from issuer.colour.origins import reasons_text
from issuer.errors import EvidenceError, IntegrityError
from issuer.rules.ruletypes import Verdict
from issuer.storage.store import Row, Store
from issuer.storage.tx import Tx
from verifier.claims import Colour
from verifier.statuslist import Status

__all__ = [
    "Cause",
    "Decision",
    "Judged",
    "decided_event",
    "decisions_of",
    "evidence_of",
    "judge",
    "record_from",
]

_EVIDENCE: Final = (
    "SELECT subject, evidence_id, kind, at, until, place, value, source, origin_region,"
    " recorded_at FROM evidence WHERE subject {keys}"
)
_COLUMNS: Final = (
    "subject, colour, rule_set, rule_version, risk_version, evidence_commitment, reasons,"
    " decided_at, changes_at, cause, event_id"
)
_DECISIONS: Final = f"SELECT {_COLUMNS} FROM decision WHERE subject {{keys}}"  # noqa: S608
_DECIDE: Final = (
    f"INSERT INTO decision ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    " ON CONFLICT (subject) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
)


class Cause(StrEnum):
    """What made us look at a person again."""

    REQUEST = "request"
    EVIDENCE = "evidence"
    RISK = "risk"
    RULES = "rules"
    TIME = "time"


class Decision(NamedTuple):
    """One row of `decision`, in the order of its columns. *colour* None: pending."""

    subject: bytes
    colour: int | None
    rule_set: str
    rule_version: int
    risk_version: int
    evidence_commitment: bytes
    reasons: str  # the rules that applied, and the other regions behind them: issuer.colour.origins
    decided_at: int
    changes_at: int | None
    cause: str
    event_id: bytes

    @property
    def verdict(self) -> Verdict:
        return Verdict.PENDING if self.colour is None else Verdict[Colour(self.colour).name]

    def says(self) -> tuple[object, ...]:
        """What makes it another decision when it differs."""
        return (
            self.colour, self.rule_set, self.rule_version, self.evidence_commitment,
            self.reasons, self.changes_at,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What `judge` found and did.

    Attributes:
        decisions: The present decision about everybody asked for.
        events: To be staged.
        recoloured: Whose colour is another one now.
    """

    decisions: dict[bytes, Decision]
    events: list[Event]
    recoloured: list[bytes]


def evidence_of(store: Store, subjects: Sequence[bytes]) -> dict[bytes, list[Evidence]]:
    """The records of each of these people.

    Raises:
        IntegrityError: A row is nothing that the issuer can have written.
    """
    found: dict[bytes, list[Evidence]] = {subject: [] for subject in subjects}
    try:
        for row in store.rows_of(_EVIDENCE, subjects):
            found[row[0]].append(record_from(row))
    except EvidenceError as error:
        raise IntegrityError("a row of evidence was changed") from error
    return found


def record_from(row: Row) -> Evidence:
    """The record of a row: subject, evidence id, kind and so on.

    Raises:
        EvidenceError: It is none.
    """
    _, evidence_id, kind, *others = row
    known = _KINDS.get(kind)
    if known is None:
        raise EvidenceError("kind: not in the vocabulary")
    return Evidence(evidence_id, known, *others)


_KINDS: Final = {kind.value: kind for kind in Kind}  # in a fraction of Kind(kind)'s time


def decisions_of(store: Store, subjects: Sequence[bytes]) -> dict[bytes, Decision]:
    """The present decision about each of these people who has one."""
    return {row[0]: Decision(*row) for row in store.rows_of(_DECISIONS, subjects)}


def judge(tx: Tx, subjects: Sequence[bytes], cause: Cause) -> Judged:
    """Assess these people and write each decision that differs from the one held.

    The decision held is never taken for the answer, however fresh: a row of `decision` is covered
    by the log alone, so whoever writes to it could otherwise set a colour until the next replay.

    Raises:
        IntegrityError: A row of somebody's evidence was changed.
        SealError: A batch that has to be taken back was changed.
    """
    evidence = evidence_of(tx.store, subjects)
    held = decisions_of(tx.store, subjects)
    decisions: dict[bytes, Decision] = {}
    fresh: list[Decision] = []
    for subject in subjects:
        new = _assess(tx, subject, evidence[subject], cause)
        old = held.get(subject)
        if old is None or old.says() != new.says():
            fresh.append(new)
            old = new
        decisions[subject] = old
    tx.store.many(_DECIDE, fresh)
    recoloured = [new.subject for new in fresh if _colour(held.get(new.subject)) != new.colour]
    taken = take_back(tx, recoloured, Status.SUPERSEDED)
    events = [decided_event(new) for new in fresh] + taken
    return Judged(decisions, events, recoloured)


def _colour(decision: Decision | None) -> int | None:
    return None if decision is None else decision.colour


def _assess(tx: Tx, subject: bytes, evidence: list[Evidence], cause: Cause) -> Decision:
    rules, risks = tx.authority.rules, tx.authority.risks
    outcome = assess(rules, evidence, risks, tx.now)
    return Decision(
        subject,
        int(outcome.colour) if isinstance(outcome, Assessed) else None,
        outcome.rule_set,
        outcome.rule_version,
        risks.version,
        outcome.evidence_commitment,
        reasons_text(outcome, evidence, tx.authority.issuer.region),
        tx.now,
        outcome.changes_at,
        cause.value,
        tx.event_id(),
    )


def decided_event(decision: Decision) -> Event:
    """The record of a decision: every column of its row."""
    return Event(
        decision.event_id,
        EventKind.DECIDED,
        decision.decided_at,
        decision.subject,
        {
            "cause": decision.cause,
            "rules": decision.rule_set,
            "risks": decision.risk_version,
            "colour": decision.colour,
            "changes": decision.changes_at,
            "reasons": decision.reasons,
            "version": decision.rule_version,
            "evidence": decision.evidence_commitment,
        },
    )
