"""Whether the gate's tables say what the log says. Shell.

They are indexes: whoever can write into the database can change a row, and the log shows it. The
log itself is checked by `audit.verify`, first and by other code.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import ColumnElement, Connection, select

from audit.access import DAY_S, Purpose, own_principal
from audit.events import Event, Kind, decode_event
from audit.grants import decode_grant
from audit.models import access_uses, closed_cases, grants, log_entries

__all__ = ["LAST_TIME", "gate_problems"]

#: For a log whose head says no time: then no read is recent enough to be counted.
LAST_TIME: Final = 2**40

_READS = (Kind.ACCESS_GRANTED.value, Kind.LOG_READ.value)


def gate_problems(connection: Connection, *, now: int) -> Iterator[str]:
    """What the gate's tables say otherwise than the log, one line each.

    Args:
        connection: To the audit database, in one transaction.
        now: Not before the last event, for instance the time of the signed head.

    Raises:
        EventError: The log holds an event that cannot be. `audit.verify` names it.
    """
    made, ended = _logged_grants(connection)
    rows = {row.grant_id: row for row in connection.execute(select(grants))}
    for grant_id in sorted(rows.keys() | made.keys()):
        row = rows.get(grant_id)
        if grant_id not in made:
            yield f"grant {grant_id.hex()} is not in the log"
        elif row is None or (row.principal, row.ended_at) != (
            made[grant_id] or row.principal,  # erased with the clerk's own record: opens nothing
            ended.get(grant_id),
        ):
            yield f"grant {grant_id.hex()} is not filed as the log says"
    yield from _case_problems(connection)
    yield from _use_problems(connection, made, since=now - DAY_S)


def _events(
    connection: Connection, where: ColumnElement[bool]
) -> Iterator[tuple[bytes, int, Event | None]]:
    """Event id, time, and the event where it is not erased."""
    entry = log_entries.c
    for event_id, at, body in connection.execute(
        select(entry.event_id, entry.at, entry.body).where(where)
    ):
        yield event_id, at, None if body is None else decode_event(body)


def _logged_grants(connection: Connection) -> tuple[dict[bytes, str | None], dict[bytes, int]]:
    """Principals of all grants (None: erased with the clerk's own record), and ends of some."""
    made: dict[bytes, str | None] = {}
    ended: dict[bytes, int] = {}
    kind = log_entries.c.kind == Kind.GRANT_CHANGED.value
    for event_id, at, event in _events(connection, kind):
        match None if event is None else event.details.get("ended"):
            case bytes(grant_id):
                ended[grant_id] = at
            case _:
                made[event_id] = None if event is None else decode_grant(event).principal
    return made, ended


def _case_problems(connection: Connection) -> Iterator[str]:
    cases = closed_cases.c
    columns = (cases.event_id, cases.organisation, cases.reference)
    stored = {row.event_id: tuple(row)[1:] for row in connection.execute(select(*columns))}
    logged = {
        event_id: (event.details.get("org"), event.details.get("case"))
        for event_id, _, event in _events(connection, log_entries.c.kind == Kind.CASE_CLOSED.value)
        if event is not None
    }
    for event_id in sorted(stored.keys() | logged.keys()):
        if stored.get(event_id) != logged.get(event_id):
            yield f"the closed case {event_id.hex()} is not filed as the log says"


def _use_problems(
    connection: Connection, made: dict[bytes, str | None], *, since: int
) -> Iterator[str]:
    uses = access_uses.c
    columns = (uses.event_id, uses.at, uses.principal, uses.organisation, uses.subject)
    stored = {row.event_id: tuple(row) for row in connection.execute(select(*columns))}
    # Each read deletes what was a day old then, by its own clock.
    newest = max((row[1] for row in stored.values()), default=0)
    recent = log_entries.c.at > max(since, newest - DAY_S)
    kept = log_entries.c.event_id.in_(select(uses.event_id))
    where = log_entries.c.kind.in_(_READS) & (recent | kept)
    for event_id, at, event in _events(connection, where):
        row = stored.pop(event_id, None)
        if event is None:  # erased: then nobody's id may be left here either
            fits = row is None or (row[1], row[4]) == (at, None)
        else:
            fits = row is not None and _is_use(row, event, made)
        if not fits:
            yield f"read {event_id.hex()} is not counted as the log says"
    for event_id in stored:
        yield f"read {event_id.hex()} is counted and not in the log"


def _is_use(row: tuple[object, ...], event: Event, made: dict[bytes, str | None]) -> bool:
    """Whether this row belongs to this logged read."""
    _, at, principal, organisation, subject = row
    own = event.details.get("purpose") == Purpose.OWN_RECORD.value
    grant = event.details.get("grant")
    if own:
        expected = None if event.subject is None else own_principal(event.subject)
    elif isinstance(grant, bytes) and grant in made:
        expected = made[grant] or str(principal)  # erased with the clerk's own record
    else:
        expected = None
    return (at, principal, organisation, subject) == (
        event.at, expected, event.details.get("org"), None if own else event.subject,
    )  # fmt: skip
