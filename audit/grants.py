"""Grants, closed cases and quotas over the log's database. Shell.

A grant *is* its log entry: the entry's body holds all of it, and the row in `grants` only says
whose it is and whether it was ended early. So no row that somebody writes into the database lets
anybody in, and no grant exists that the log does not show. Reads of the last day are kept beside
the log because quotas are counted at each read. `audit.gatecheck` compares it all with the log.
"""

from collections.abc import Iterable
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
    own_principal,
)
from audit.errors import EventError
from audit.events import Event, Kind, commitment, decode_event
from audit.models import access_uses, closed_cases, grants, log_entries
from keys import cbor

__all__ = [
    "add_grant", "add_use", "close_case", "decode_grant", "encode_grant", "end_grant",
    "forget_uses", "grants_of", "usage", "words",
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
    """Part of erasing a person: reads of them become nobody's, and their own are deleted."""
    uses = access_uses.c
    connection.execute(delete(access_uses).where(uses.principal == own_principal(subject)))
    connection.execute(update(access_uses).where(uses.subject == subject).values(subject=None))


def close_case(connection: Connection, organisation: str, reference: str, event_id: bytes) -> bool:
    """Nobody reads under this case again. False: it was closed already."""
    key = {"organisation": organisation, "reference": reference}
    if connection.execute(select(closed_cases).filter_by(**key)).first() is not None:
        return False
    connection.execute(insert(closed_cases).values(**key, event_id=event_id))
    return True
