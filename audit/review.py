"""What staff were granted, and how much they read, counted from the log. Shell.

Names staff and no person: how many people a clerk read, not which. Verify the log first.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, ScalarResult, select

from audit.access import Grant, Role
from audit.database import reading
from audit.errors import EventError
from audit.events import Event, Kind, decode_event
from audit.grants import decode_grant
from audit.models import log_entries
from keys import cbor

__all__ = ["Reviewed", "review"]

_KINDS = (Kind.GRANT_CHANGED, Kind.ACCESS_GRANTED, Kind.LOG_READ, Kind.ACCESS_DENIED)
_ROWS = 1_000  # at once: the reads of years do not fit into memory


@dataclass(slots=True)
class Reviewed:
    """One grant, or the tries of somebody who held none.

    Attributes:
        who: The principal; where *grant* is None, what the log says in its place.
        ended_at: When it was ended before its day.
        people: The people read, one by one.
        refused: How often, by reason.
    """

    who: str
    grant: Grant | None = None
    ended_at: int | None = None
    reads: int = 0
    people: set[bytes | None] = field(default_factory=set, repr=False)
    refused: Counter[str] = field(default_factory=Counter)


def review(engine: Engine, *, since: int = 0) -> list[Reviewed]:
    """Every grant and whoever tried without one, most reads first.

    What was erased is not counted any more.

    Args:
        engine: The audit database.
        since: UNIX seconds; reads before it are not counted.

    Raises:
        EventError: The log holds an event that cannot be. `audit.verify` names it.
    """
    found: dict[bytes | str, Reviewed] = {}
    with reading(engine) as connection, _gate_bodies(connection) as bodies:
        for body in bodies:
            event = decode_event(body)
            details = event.details
            if event.kind is Kind.GRANT_CHANGED:
                _note_grant(found, event)
            elif event.at >= since and details.get("role") != Role.PERSON.value:
                key = _key(details)
                _count(found.setdefault(key, Reviewed(_stranger(key))), event)
    return sorted(found.values(), key=lambda each: (-each.reads, each.who))


def _gate_bodies(connection: Connection) -> ScalarResult[bytes]:
    """Of the gate's events, in the log's order, as far as they are not erased."""
    entry = log_entries.c
    statement = (
        select(entry.body)
        .where(entry.kind.in_([kind.value for kind in _KINDS]), entry.body.is_not(None))
        .order_by(entry.leaf_index)
    )
    return connection.execution_options(yield_per=_ROWS).scalars(statement)


def _key(details: Mapping[str, cbor.Value]) -> bytes | str:
    """The grant under which somebody asked, or who claimed to be one who may."""
    match details:
        case {"grant": bytes(key)} | {"principal": str(key)}:
            return key
        case _:
            raise EventError("an event of the gate names neither a grant nor a principal")


def _stranger(key: bytes | str) -> str:
    if isinstance(key, bytes):
        return f"under the grant {key.hex()}, which was erased"
    return f"{key}, without a grant in force"


def _note_grant(found: dict[bytes | str, Reviewed], event: Event) -> None:
    match event.details.get("ended"):
        case bytes(grant_id):
            if grant_id in found:  # else it was erased with the clerk's own record
                found[grant_id].ended_at = event.at
        case _:
            grant = decode_grant(event)
            found[event.event_id] = Reviewed(grant.principal, grant)


def _count(reviewed: Reviewed, event: Event) -> None:
    if event.kind is Kind.ACCESS_DENIED:
        reviewed.refused[str(event.details.get("reason"))] += 1
    else:
        reviewed.reads += 1
        reviewed.people.add(event.subject)
