"""The one door to personal data: decide, log, and only then load. Shell.

The order is the promise. The event is durable before the loader is called, also where the answer
is no; if the log cannot be written, nobody reads. The quota is counted in the transaction that
writes the event, so a hundred requests at once get as far as a hundred one after the other.

The loader is an argument, so that this package knows nothing about how people are stored. It gets
one person and the fields that were allowed.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine

from audit import grants
from audit.access import (
    AccessRequest,
    Allowed,
    Decision,
    Denied,
    DenyReason,
    Field,
    Grant,
    Role,
    decide,
    is_case_reference,
    own_record_grant,
    person_of,
)
from audit.database import reading
from audit.errors import GrantError, LoadError, LogBusyError
from audit.events import EVENT_ID_BYTES, Event, Kind
from audit.log import Log
from keys import cbor

__all__ = ["Gate", "Loader", "Opened", "Refused"]

#: Gets one person's 16 bytes and the allowed fields; gives values of these fields, or fewer.
Loader: TypeAlias = Callable[[bytes, frozenset[Field]], Mapping[Field, object]]

_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Opened:
    """What was let out, about one person, and the entry that says so."""

    leaf_index: int
    values: Mapping[Field, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The read was refused, and the entry that says so."""

    leaf_index: int
    reason: DenyReason


class _ChangedError(Exception):
    """Between the count and the entry, somebody else read or a grant ended."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


class Gate:
    """Lets reads of personal data in, or not, and logs both. Safe to share between threads.

    Every method raises what `Log.append` raises; then nothing was read or changed.
    """

    def __init__(
        self, engine: Engine, log: Log, *, randomness: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._engine = engine
        self._log = log
        self._randomness = randomness

    def open(self, request: AccessRequest, load: Loader, *, now: int) -> Opened | Refused:
        """Read some fields of one person.

        Does not check that the caller is *request.principal*: the session does.

        Raises:
            LoadError: The loader failed. The read counts and is in the log all the same.
            AuditError: The log cannot be written; *load* was not called.
        """
        decision, leaf_index = self._decide_and_log(request, now)
        match decision:
            case Denied(reason):
                return Refused(leaf_index, reason)
            case Allowed(_, fields):
                return Opened(leaf_index, _load(load, request.subject, fields))

    def grant(self, grant: Grant, *, now: int) -> int:
        """Make a grant exist; gives its leaf index. Doing it twice has one effect.

        Raises:
            GrantError: A person's own record needs no grant and takes none.
            EventConflictError: The grant id is used already.
        """
        if grant.role is Role.PERSON:
            raise GrantError("nobody grants people what is theirs")
        event = grants.encode_grant(grant, now=now)
        return self._append(event, now, lambda connection: grants.add_grant(connection, grant))

    def end_grant(self, grant_id: bytes, *, by: str, now: int) -> int:
        """End a grant before its day, from the next read on.

        Raises:
            GrantError: There is no such grant, or it ended already.
        """

        def end(connection: Connection) -> None:
            if not grants.end_grant(connection, grant_id, now=now):
                raise GrantError(f"no grant {grant_id.hex()} that could end")

        details: dict[str, cbor.Value] = {"ended": grant_id, "by": by}
        return self._append(self._event(Kind.GRANT_CHANGED, now, None, details), now, end)

    def close_case(self, organisation: str, reference: str, *, by: str, now: int) -> int:
        """Refuse every later read of *organisation* under this case.

        Raises:
            GrantError: Not a case reference, or closed already.
        """
        if not is_case_reference(reference):
            raise GrantError("not a case reference")
        details: dict[str, cbor.Value] = {"org": organisation, "case": reference, "by": by}
        event = self._event(Kind.CASE_CLOSED, now, None, details)

        def close(connection: Connection) -> None:
            if not grants.close_case(connection, organisation, reference, event.event_id):
                raise GrantError("the case is closed already")

        return self._append(event, now, close)

    def _decide_and_log(self, request: AccessRequest, now: int) -> tuple[Decision, int]:
        with reading(self._engine) as connection:
            decision = _decide(connection, request, now)
        for _ in range(_TRIES):
            kind, subject, details = _describe(request, decision)
            event = self._event(kind, now, subject, details)
            settle = partial(_settle, request=request, decision=decision, event=event)
            try:
                return decision, self._append(event, now, settle)
            except _ChangedError as changed:
                decision = changed.decision
        raise LogBusyError(f"others changed what was counted {_TRIES} times in a row")

    def _event(
        self, kind: Kind, now: int, subject: bytes | None, details: Mapping[str, cbor.Value]
    ) -> Event:
        # The id is ours and new: a caller who could choose it could repeat a counted read.
        return Event(self._randomness(EVENT_ID_BYTES), kind, now, subject, details)

    def _append(self, event: Event, now: int, also: Callable[[Connection], None]) -> int:
        (leaf_index,) = self._log.append([event], now=now, also=also)
        return leaf_index


def _decide(connection: Connection, request: AccessRequest, now: int) -> Decision:
    person = person_of(request.principal)
    held = (
        grants.grants_of(connection, request.principal)
        if person is None
        else (own_record_grant(person, now=now),)
    )
    return decide(held, request, grants.usage(connection, request, now=now), now=now)


def _settle(
    connection: Connection, *, request: AccessRequest, decision: Decision, event: Event
) -> None:
    """In the transaction of the event: the decision still stands, and is counted."""
    again = _decide(connection, request, event.at)
    if again != decision:
        raise _ChangedError(again)
    if isinstance(again, Allowed):
        grants.add_use(connection, event, request)


def _describe(
    request: AccessRequest, decision: Decision
) -> tuple[Kind, bytes | None, dict[str, cbor.Value]]:
    """Kind, person concerned and details of the event. The clerk is in it as the grant's id."""
    details: dict[str, cbor.Value] = {
        "org": request.organisation,
        "purpose": request.purpose.value,
        "case": request.case if is_case_reference(request.case) else "",
        "fields": grants.words(request.fields),
    }
    grant = decision.grant
    if grant is None:
        details["principal"] = request.principal
    else:
        details |= {
            "grant": grant.grant_id,
            "role": grant.role.value,
            "org_zh": grant.organisation.name_zh,
            "org_en": grant.organisation.name_en,
        }
    subject: bytes | None = request.subject
    if isinstance(decision, Denied):
        details["reason"] = decision.reason.value
        # A person who tries to read another's record finds that in their own, not in the other's.
        subject = person_of(request.principal) or subject
        return Kind.ACCESS_DENIED, subject, details
    only_log = request.fields == {Field.ACCESS_RECORD}
    return Kind.LOG_READ if only_log else Kind.ACCESS_GRANTED, subject, details


def _load(load: Loader, subject: bytes, fields: frozenset[Field]) -> Mapping[Field, object]:
    """What the loader gives, if it gives no more than was allowed.

    The failure is raised outside the handler, without its cause: an exception's text and its
    frames hold what was being handled.
    """
    failure = "more fields than were allowed"
    try:
        values = dict(load(subject, fields))
    except Exception as error:  # noqa: BLE001 - whatever it was, its text stays here
        failure = type(error).__name__
    else:
        if values.keys() <= fields:
            return values
    raise LoadError(f"the data could not be loaded: {failure}")
