"""Appeals about evidence that another region sent: filed, answered, or lapsed. Shell.

    open -> upheld       the origin says that it stands; it cannot be contested again
    open -> corrected    the origin takes it back
    open -> lapsed       silence: it no longer counts, and the survey is open again (ADR 0012)
    lapsed -> upheld     the origin answers late, and sends it again
    lapsed -> corrected  the origin answers late

Every step is an event about the person, who reads it under /me/appeals.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from audit.events import Event, Kind
from issuer.between.envelope import receiving_key
from issuer.between.message import MAX_RECORDS, Answer, Appeal, Ground
from issuer.between.rows import AppealRow, ToldRow, put, read
from issuer.between.sending import enqueue
from issuer.between.told import record_told, take_back
from issuer.colour.assess import assess
from issuer.colour.decisions import evidence_of
from issuer.colour.evidence import Evidence, decode_evidence
from issuer.colour.evidence import Kind as EvidenceKind
from issuer.colour.evidence_store import record_evidence
from issuer.colour.notice import Entry
from issuer.colour.timeline import DAY_S
from issuer.errors import InputError, RegionError
from issuer.people.problems import Problem
from issuer.storage.core import Secrets
from issuer.storage.store import Store
from issuer.storage.tx import Done, Tx

__all__ = [
    "APPEAL_S", "State", "answer_theirs", "appeals_of", "file_appeal", "hold_theirs", "lapse",
    "overdue", "take_answer", "theirs",
]  # fmt: skip

#: What Hunan promised for appeals that concern another province.
APPEAL_S: Final = DAY_S

_BY_ID: Final = "WHERE appeal_id = ?"
_OF_SUBJECT: Final = "WHERE subject = ?"
_OVERDUE: Final = (
    "SELECT appeal_id FROM region_appeal WHERE state = 'open' AND deadline <= ?"
    " AND subject IS NOT NULL ORDER BY deadline LIMIT ?"
)
_THEIRS: Final = "WHERE state = 'open' AND subject IS NULL ORDER BY deadline, appeal_id"


class State(StrEnum):
    OPEN = "open"
    UPHELD = "upheld"
    CORRECTED = "corrected"
    LAPSED = "lapsed"


def file_appeal(tx: Tx, subject: bytes, region: str, ground: Ground) -> Done[AppealRow]:
    """Contest what the present decision rests on and *region* sent.

    Asked again while it is open, it gives the same appeal.

    Raises:
        InputError: The decision rests on nothing from there that can still be contested.
    """
    resting = _resting_on(tx, subject, region)
    appeals = read(tx.store, tx.secrets, AppealRow, _OF_SUBJECT, (subject,))
    for before in appeals:
        if before.state == State.OPEN and before.region == region and resting & {*before.ids()}:
            return Done(before)
    contested = {one for before in appeals for one in before.ids() if before.state != State.LAPSED}
    ids = tuple(sorted(resting - contested))[:MAX_RECORDS]
    if not ids:
        raise InputError(Problem.NOTHING_TO_APPEAL)
    row = AppealRow(
        tx.event_id(), subject, region, ground.value, b"".join(ids), tx.now, tx.now + APPEAL_S,
        State.OPEN.value,
    )  # fmt: skip
    put(tx, [row])
    events = [_event(tx, Kind.APPEAL_FILED, row)]
    # A region that cannot be reached is silent: the deadline runs all the same.
    if receiving_key(tx.authority.trust, region, tx.now) is not None:
        appeal = Appeal(row.appeal_id, row.deadline, ground, ids)
        events.append(enqueue(tx, appeal, to=region, subject=subject))
    return Done(row, events)


def _resting_on(tx: Tx, subject: bytes, region: str) -> set[bytes]:
    """The ids of those records from *region* that decide now."""
    records = evidence_of(tx.store, [subject])[subject]
    outcome = assess(tx.authority.rules, records, tx.authority.risks, tx.now)
    deciding = {one for reason in outcome.reasons for one in reason.evidence}
    foreign = {r.evidence_id for r in records if r.origin_region == region}
    return deciding & foreign if region != tx.authority.issuer.region else set()


def hold_theirs(tx: Tx, sender: str, appeal: Appeal) -> Event:
    """Another region contests what we told it; an officer answers."""
    row = AppealRow(
        appeal.appeal_id, None, sender, appeal.ground.value, b"".join(appeal.evidence_ids),
        tx.now, appeal.deadline, State.OPEN.value,
    )  # fmt: skip
    # A second one under an id that we hold changes nothing.
    if not read(tx.store, tx.secrets, AppealRow, _BY_ID, (row.appeal_id,)):
        put(tx, [row])
    return _event(tx, Kind.APPEAL_FILED, row)


def answer_theirs(tx: Tx, appeal_id: bytes, *, is_upheld: bool) -> Done[AppealRow]:
    """Answer another region's appeal: send the records again, or say that they were wrong.

    Raises:
        RegionError: There is no such appeal that is open, or nothing to uphold.
    """
    rows = read(tx.store, tx.secrets, AppealRow, _BY_ID, (appeal_id,))
    if not rows or rows[0].subject is not None or rows[0].state != State.OPEN:
        raise RegionError("no open appeal of another region has this id")
    (row,) = rows
    told = list(_told(tx, row))
    if is_upheld and not told:
        raise RegionError("we told that region of none of these records: answer 'corrected'")
    content = Answer(appeal_id, tuple(told) if is_upheld else ())
    sent = enqueue(tx, content, to=row.region, subject=None)
    state = State.UPHELD if is_upheld else State.CORRECTED
    done = row._replace(state=state.value)
    put(tx, [done])
    return Done(done, [sent, _event(tx, Kind.APPEAL_ANSWERED, done)])


def _told(tx: Tx, row: AppealRow) -> Iterable[Evidence]:
    """The contested records, as we told them."""
    where = "WHERE evidence_id = ? AND region = ? AND record IS NOT NULL"
    for evidence_id in row.ids():
        for told in read(tx.store, tx.secrets, ToldRow, where, (evidence_id, row.region)):
            record = decode_evidence(told.record or b"")
            yield Evidence(
                record.evidence_id, record.kind, record.at, record.until, record.place,
                record.value, tx.authority.source, record.origin_region, tx.now,
            )  # fmt: skip


def take_answer(tx: Tx, sender: str, answer: Answer) -> Done[None]:
    """The origin answered an appeal of ours. The first answer counts."""
    rows = read(tx.store, tx.secrets, AppealRow, _BY_ID, (answer.appeal_id,))
    if not rows or rows[0].subject is None or rows[0].region != sender:
        return Done(None)
    (row,) = rows
    if row.state not in {State.OPEN, State.LAPSED}:
        return Done(None)
    if answer.is_upheld:
        changed = _upheld(tx, row, answer) if row.state == State.LAPSED else Done(0)
    else:
        changed = take_back(tx, sender, row.ids())
    state = State.UPHELD if answer.is_upheld else State.CORRECTED
    done = row._replace(state=state.value)
    put(tx, [done])
    answered = _event(tx, Kind.APPEAL_ANSWERED, done)
    return Done(None, [answered, *changed.events])


def _upheld(tx: Tx, row: AppealRow, answer: Answer) -> Done[int]:
    """Record again what no longer counted, and nothing else."""
    if row.subject is None:
        raise AssertionError("an appeal of ours is about somebody")
    records = [record for record in answer.records if record.evidence_id in row.ids()]
    return record_told(tx, row.region, row.subject, records)


def overdue(store: Store, *, now: int, limit: int) -> list[bytes]:
    """The ids of appeals of ours that nobody answered by *now*, the oldest first.

    Does not check the rows: `lapse` does, for each, so that a changed one delays nobody else.
    """
    return [appeal_id for (appeal_id,) in store.rows(_OVERDUE, (now, limit))]


def appeals_of(store: Store, secrets: Secrets, subject: bytes) -> list[AppealRow]:
    """All appeals of one person, the oldest first."""
    where = f"{_OF_SUBJECT} ORDER BY filed_at, appeal_id"
    return read(store, secrets, AppealRow, where, (subject,))


def theirs(store: Store, secrets: Secrets) -> list[AppealRow]:
    """Other regions' appeals that wait for our answer, the most urgent first."""
    return read(store, secrets, AppealRow, _THEIRS, ())


def lapse(tx: Tx, appeal_ids: Iterable[bytes]) -> Done[int]:
    """Nobody answered in time: the contested records no longer count; gives how many appeals.

    What is late is never a colour: beside taking the records back, the survey counts as
    incomplete until the person answers it, so the colour is pending and not green. ADR 0012.

    Args:
        tx: With the deadline behind it.
        appeal_ids: Of appeals of ours.
    """
    events: list[Event] = []
    lapsed = 0
    for appeal_id in appeal_ids:
        (row,) = read(tx.store, tx.secrets, AppealRow, _BY_ID, (appeal_id,))
        if row.state != State.OPEN or row.subject is None or row.deadline > tx.now:
            continue
        done = row._replace(state=State.LAPSED.value)
        put(tx, [done])
        back = take_back(tx, row.region, row.ids())
        again = record_evidence(tx, [Entry(row.subject, _survey(tx))])
        events += [_event(tx, Kind.APPEAL_LAPSED, done), *back.events, *again.events]
        lapsed += 1
    return Done(lapsed, events)


def _survey(tx: Tx) -> Evidence:
    region, source = tx.authority.issuer.region, tx.authority.source
    return Evidence(
        tx.event_id(), EvidenceKind.SURVEY, tx.now, None, "", "incomplete", source, region, tx.now
    )


def _event(tx: Tx, kind: Kind, row: AppealRow) -> Event:
    return Event(
        tx.event_id(),
        kind,
        tx.now,
        row.subject,
        {
            "appeal": row.appeal_id,
            "region": row.region,
            "ground": row.ground,
            "deadline": row.deadline,
            "state": row.state,
            "evidence": list(row.ids()),
        },
    )
