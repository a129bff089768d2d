"""Grants, closed cases and quotas over the log's database. Shell.

A grant *is* its log entry: the entry's body holds all of it, and the row in `grants` only says
whose it is and whether it was ended early. So no row that somebody writes into the database lets
anybody in, and no grant exists that the log does not show. Reads of the last day are kept beside
the log because quotas are counted at each read; `index_problems` compares all three with the log.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from audit.access import (
    DAY_S,
    SHIFT_S,
    AccessRequest,
    Field,
    Grant,
    Organisation,
    Purpose,
    Quotas,
    Role,
    Usage,
)
from audit.errors import EventError
from audit.events import Event, Kind, commitment, decode_event
from audit.models import access_uses, closed_cases, grants, log_entries
from keys import cbor

__all__ = [
    "add_grant", "add_use", "close_case", "decode_grant", "encode_grant", "end_grant",
    "forget_uses", "grants_of", "index_problems", "usage", "words",
]  # fmt: skip


def encode_grant(grant: Grant, *, now: int) -> Event:
    """The event that makes *grant* exist. The clerk's own person record is whom it concerns."""
    details: dict[str, cbor.Value] = {
        "to": grant.principal,
        "role": grant.role.value,
        "org": grant.organisation.id,
        "org_zh": grant.organisation.name_zh,
        "org_en": grant.organisation.name_en,
        "purposes": words(grant.purposes),
        "fields": words(grant.fields),
        "from": grant.valid_from,
        "until": grant.valid_until,
        "by": grant.granted_by,
        "quotas": [grant.quotas.clerk, grant.quotas.person, grant.quotas.organisation],
    }
    return Event(grant.grant_id, Kind.GRANT_CHANGED, now, grant.own_subject, details)


def words(values: Iterable[StrEnum]) -> list[cbor.Value]:
    """Closed words as an event holds them: in one order."""
    return [*sorted(value.value for value in values)]


def decode_grant(event: Event) -> Grant:
    """The grant of such an event.

    Raises:
        EventError: The event makes no grant, or one that cannot exist.
    """
    match event.details:
        case {
            "to": str(principal), "role": str(role), "org": str(org), "org_zh": str(name_zh),
            "org_en": str(name_en), "purposes": list(purposes), "fields": list(fields),
            "from": int(valid_from), "until": int(valid_until), "by": str(granted_by),
            "quotas": [int(clerk), int(person), int(organisation)],
        } if event.kind is Kind.GRANT_CHANGED:  # fmt: skip
            pass
        case _:
            raise EventError("not an event that makes a grant")
    try:
        return Grant(
            grant_id=event.event_id,
            principal=principal,
            role=Role(role),
            organisation=Organisation(org, name_zh, name_en),
            purposes=frozenset(Purpose(str(purpose)) for purpose in purposes),
            fields=frozenset(Field(str(field)) for field in fields),
            valid_from=valid_from,
            valid_until=valid_until,
            granted_by=granted_by,
            quotas=Quotas(clerk, person, organisation),
            own_subject=event.subject,
        )
    except ValueError as error:
        raise EventError("a grant that cannot exist") from error


def add_grant(connection: Connection, grant: Grant) -> None:
    connection.execute(insert(grants).values(grant_id=grant.grant_id, principal=grant.principal))


def end_grant(connection: Connection, grant_id: bytes, *, now: int) -> bool:
    """End a grant before its day. False: there is none, or it ended already."""
    here = (grants.c.grant_id == grant_id) & grants.c.ended_at.is_(None)
    return connection.execute(update(grants).where(here).values(ended_at=now)).rowcount == 1


def grants_of(connection: Connection, principal: str) -> tuple[Grant, ...]:
    """The grants of *principal* as the log has them, without those that were ended early.

    Raises:
        EventError: A row names an entry that is no grant, or is not what was committed to.
    """
    statement = (
        select(log_entries.c.salt, log_entries.c.body, log_entries.c.commitment)
        .join_from(grants, log_entries, grants.c.grant_id == log_entries.c.event_id)
        .where(grants.c.principal == principal, grants.c.ended_at.is_(None))
        .where(log_entries.c.body.is_not(None))
        .order_by(log_entries.c.leaf_index)
    )
    found = []
    for salt, body, committed in connection.execute(statement):
        if commitment(salt, body) != committed:
            raise EventError("a grant's entry is not what was committed to")
        grant = decode_grant(decode_event(body))
        if grant.principal != principal:
            raise EventError("a grant is filed under another principal")
        found.append(grant)
    return tuple(found)


def usage(connection: Connection, request: AccessRequest, *, now: int) -> Usage:
    """What was let in so far, as far as this request is limited by it."""
    uses = access_uses.c

    def count(*where: object) -> int:
        statement = select(func.count()).select_from(access_uses)
        for condition in where:
            statement = statement.where(condition)  # type: ignore[arg-type]
        return connection.execute(statement).scalar_one()

    by_clerk = count(uses.principal == request.principal, uses.at > now - SHIFT_S)
    if request.purpose is Purpose.OWN_RECORD:
        return Usage(clerk=by_clerk)
    closed = select(closed_cases.c.event_id).where(
        closed_cases.c.organisation == request.organisation,
        closed_cases.c.reference == request.case,
    )
    return Usage(
        clerk=by_clerk,
        person=count(uses.subject == request.subject, uses.at > now - DAY_S),
        organisation=count(uses.organisation == request.organisation, uses.at > now - DAY_S),
        case_closed=connection.execute(closed).first() is not None,
    )


def add_use(connection: Connection, event: Event, request: AccessRequest) -> None:
    """Count a read that was let in, and forget those of which no quota asks any more."""
    connection.execute(delete(access_uses).where(access_uses.c.at <= event.at - DAY_S))
    own = request.purpose is Purpose.OWN_RECORD
    connection.execute(
        insert(access_uses).values(
            event_id=event.event_id,
            at=event.at,
            principal=request.principal,
            organisation=request.organisation,
            subject=None if own else request.subject,
        )
    )


def forget_uses(connection: Connection, subject: bytes) -> None:
    """Part of erasing a person."""
    connection.execute(
        update(access_uses).where(access_uses.c.subject == subject).values(subject=None)
    )


def close_case(connection: Connection, organisation: str, reference: str, event_id: bytes) -> bool:
    """Nobody reads under this case again. False: it was closed already."""
    key = {"organisation": organisation, "reference": reference}
    if connection.execute(select(closed_cases).filter_by(**key)).first() is not None:
        return False
    connection.execute(insert(closed_cases).values(**key, event_id=event_id))
    return True


def index_problems(connection: Connection, *, now: int) -> Iterator[str]:
    """What the tables of this module say otherwise than the log, one line each.

    Does not check the log itself: `audit.verify` does, and comes first.
    """
    yield from _grant_problems(connection)
    yield from _case_problems(connection)
    yield from _use_problems(connection, since=now - DAY_S)


def _entries(connection: Connection, kind: Kind) -> Iterator[tuple[bytes, Event | None]]:
    """Event ids of this kind, with the event where it is not erased."""
    statement = select(log_entries.c.event_id, log_entries.c.body).where(log_entries.c.kind == kind)
    for event_id, body in connection.execute(statement):
        yield event_id, None if body is None else decode_event(body)


def _grant_problems(connection: Connection) -> Iterator[str]:
    rows = {row.grant_id: row for row in connection.execute(select(grants))}
    made: dict[bytes, str] = {}
    ended: set[object] = set()
    for event_id, event in _entries(connection, Kind.GRANT_CHANGED):
        if event is None:
            rows.pop(event_id, None)  # erased with the clerk's own person record; lets nobody in
        elif "ended" in event.details:
            ended.add(event.details["ended"])
        else:
            made[event_id] = decode_grant(event).principal
    for grant_id, principal in made.items():
        row = rows.pop(grant_id, None)
        if row is None or row.principal != principal:
            yield f"grant {grant_id.hex()} is not filed as the log says"
        elif (row.ended_at is not None) is not (grant_id in ended):
            yield f"grant {grant_id.hex()} is ended in one place only"
    for grant_id in rows:
        yield f"grant {grant_id.hex()} is not in the log"


def _case_problems(connection: Connection) -> Iterator[str]:
    rows = connection.execute(select(closed_cases.c.event_id))
    if {row.event_id for row in rows} != {key for key, _ in _entries(connection, Kind.CASE_CLOSED)}:
        yield "the closed cases are not those of the log"


def _use_problems(connection: Connection, *, since: int) -> Iterator[str]:
    read = log_entries.c.kind.in_([Kind.ACCESS_GRANTED.value, Kind.LOG_READ.value])
    logged = select(log_entries.c.event_id).where(read, log_entries.c.at > since)
    counted = select(access_uses.c.event_id).where(access_uses.c.at > since)
    in_log, in_table = (set(connection.execute(s).scalars()) for s in (logged, counted))
    if in_log - in_table:
        yield f"{len(in_log - in_table)} reads of the last day are not counted"
    if in_table - in_log:
        yield f"{len(in_table - in_log)} counted reads are not in the log"
