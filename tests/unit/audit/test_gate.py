"""The gate: nothing is loaded before it is logged, and no quota is passed by being quick."""

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DatabaseError

from audit.access import (
    DAY_S,
    SHIFT_S,
    AccessRequest,
    DenyReason,
    Field,
    Purpose,
    Quotas,
    Role,
    own_principal,
    own_record_request,
)
from audit.database import reading, writing
from audit.errors import (
    AuditError,
    EventConflictError,
    EventError,
    GrantError,
    LoadError,
    LogBusyError,
    LogClockError,
)
from audit.events import Event, Kind, decode_event
from audit.gate import Gate, Opened, Refused
from audit.gatecheck import gate_problems
from audit.grants import decode_grant, encode_grant
from audit.models import access_uses, grants, log_entries
from tests.access_support import CASE, GRANDMOTHER, HOSPITAL, NOW, a_grant, a_request
from tests.audit_support import Door, open_door

NEIGHBOUR = b"the-neighbour---"
OWN = own_record_request(GRANDMOTHER, frozenset({Field.ACCESS_RECORD}))


@pytest.fixture
def door(engine_url: str) -> Iterator[Door]:
    """A gate with one grant, on each kind of database."""
    door = open_door(engine_url)
    door.gate.grant(a_grant(), now=NOW)
    yield door
    door.engine.dispose()


def events(door: Door, kind: Kind) -> list[Event]:
    statement = select(log_entries.c.body).where(log_entries.c.kind == kind.value)
    with reading(door.engine) as connection:
        bodies = connection.execute(statement.order_by(log_entries.c.leaf_index)).scalars()
        return [decode_event(body) for body in bodies]


def problems(door: Door, now: int = NOW) -> list[str]:
    with reading(door.engine) as connection:
        return list(gate_problems(connection, now=now))


def test_gate_allowed_read_gives_the_fields_and_leaves_an_event(door: Door) -> None:
    """The clerk gets what was asked; the log says who, why and which fields, without his name."""
    opened = door.gate.open(a_request(), door.load, now=NOW)
    assert isinstance(opened, Opened)
    assert opened.values == {Field.COLOUR: "the colour"}
    assert "the colour" not in repr(opened)
    (event,) = events(door, Kind.ACCESS_GRANTED)
    assert event.subject == GRANDMOTHER
    assert event.details == {
        "grant": a_grant().grant_id, "role": "desk-clerk", "org": HOSPITAL.id,
        "org_zh": HOSPITAL.name_zh, "org_en": HOSPITAL.name_en, "purpose": "hospital-look-up",
        "case": CASE, "fields": ["colour"],
    }  # fmt: skip


def test_gate_loads_only_after_the_event_is_durable(door: Door, engine_url: str) -> None:
    """While the loader runs, another process already reads the event from the database."""
    seen: list[int] = []

    def load(subject: bytes, fields: frozenset[Field]) -> Mapping[Field, object]:
        other = open_door(engine_url)
        seen.append(len(events(other, Kind.ACCESS_GRANTED)))
        other.engine.dispose()
        return door.load(subject, fields)

    door.gate.open(a_request(), load, now=NOW)
    assert seen == [1]


def test_gate_refused_read_leaves_an_event_and_loads_nothing(door: Door) -> None:
    """A refusal is in the log with its reason, and the loader was never called."""
    refused = door.gate.open(a_request(fields=frozenset({Field.PHONE})), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.FIELD
    assert door.load.calls == []
    (event,) = events(door, Kind.ACCESS_DENIED)
    assert (event.subject, event.details["reason"]) == (GRANDMOTHER, "field")
    assert event.details["fields"] == ["phone"]


def test_gate_stranger_is_refused_and_named_in_the_log(door: Door) -> None:
    """Who has no grant has no grant id either: the log holds the principal that tried."""
    refused = door.gate.open(a_request(principal="clerk-99"), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.NO_GRANT
    assert events(door, Kind.ACCESS_DENIED)[0].details["principal"] == "clerk-99"


def test_gate_31st_look_up_of_a_shift_is_refused_and_the_next_shift_is_open(door: Door) -> None:
    """30 look-ups in eight hours; the 31st is refused and logged; later ones count anew."""
    for number in range(30):
        subject = number.to_bytes(16, "big")
        assert isinstance(door.gate.open(a_request(subject=subject), door.load, now=NOW), Opened)
    for _ in range(2):
        refused = door.gate.open(a_request(), door.load, now=NOW + SHIFT_S - 1)
        assert isinstance(refused, Refused)
        assert refused.reason is DenyReason.QUOTA_CLERK
    assert len(door.load.calls) == 30
    assert len(events(door, Kind.ACCESS_DENIED)) == 2
    assert isinstance(door.gate.open(a_request(), door.load, now=NOW + SHIFT_S), Opened)


def test_gate_quota_of_a_person_counts_all_clerks_and_not_herself(door: Door) -> None:
    """Ten reads of one person in a day, whoever reads; her own reads use nothing up."""
    second = a_grant(grant_id=b"grant-of-clerk18", principal="clerk-18")
    door.gate.grant(second, now=NOW)
    for _ in range(20):
        assert isinstance(door.gate.open(OWN, door.load, now=NOW), Opened)
    for number in range(10):
        request = a_request(principal=f"clerk-{17 + number % 2}")
        assert isinstance(door.gate.open(request, door.load, now=NOW), Opened)
    refused = door.gate.open(a_request(), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.QUOTA_PERSON
    other = door.gate.open(a_request(subject=NEIGHBOUR), door.load, now=NOW)
    assert isinstance(other, Opened)
    assert isinstance(door.gate.open(a_request(), door.load, now=NOW + DAY_S), Opened)


def test_gate_quota_of_an_organisation_counts_all_its_clerks(door: Door) -> None:
    """An organisation's quota is used up by its clerks together."""
    few = Quotas(organisation=3)
    for number in range(4):
        grant = a_grant(principal=f"desk-{number}", grant_id=bytes([number] * 16), quotas=few)
        door.gate.grant(grant, now=NOW)
    answers = [
        door.gate.open(
            a_request(principal=f"desk-{n}", subject=bytes([n] * 16)), door.load, now=NOW
        )
        for n in range(4)
    ]
    assert [type(answer) for answer in answers] == [Opened, Opened, Opened, Refused]


def together(work: Sequence[tuple[Door, AccessRequest]]) -> list[Opened | Refused]:
    """Ask all at once, from one starting line."""
    barrier = threading.Barrier(len(work))

    def ask(item: tuple[Door, AccessRequest]) -> Opened | Refused:
        door, request = item
        barrier.wait()
        return door.gate.open(request, door.load, now=NOW)

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(ask, work))


def test_gate_100_requests_at_once_pass_no_quota(door: Door) -> None:
    """Of 100 threads at once exactly 30 are let in, and all 100 are in the log (C110)."""
    requests = [a_request(subject=number.to_bytes(16, "big")) for number in range(100)]
    answers = together([(door, request) for request in requests])
    assert sum(isinstance(answer, Opened) for answer in answers) == 30
    assert len(door.load.calls) == 30
    assert len(events(door, Kind.ACCESS_GRANTED)) == 30
    assert len(events(door, Kind.ACCESS_DENIED)) == 70
    assert len({answer.leaf_index for answer in answers}) == 100
    assert problems(door) == []


def between_count_and_entry(door: Door, act: Callable[[], object]) -> Gate:
    """A gate that lets *act* happen after it has decided and before its event is appended."""
    waiting = [act]

    def randomness(count: int) -> bytes:
        if waiting:
            waiting.pop()()
        return os.urandom(count)

    return Gate(door.engine, door.log, randomness=randomness)


def test_gate_other_process_that_reads_in_between_takes_the_last_look_up(
    door: Door, engine_url: str
) -> None:
    """Two processes that share only the database: the 30th read of one is the 31st of both."""
    other = open_door(engine_url)
    for number in range(29):
        door.gate.open(a_request(subject=number.to_bytes(16, "big")), door.load, now=NOW)
    gate = between_count_and_entry(
        door, lambda: other.gate.open(a_request(subject=NEIGHBOUR), other.load, now=NOW)
    )
    refused = gate.open(a_request(), door.load, now=NOW)
    other.engine.dispose()
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.QUOTA_CLERK
    assert (len(door.load.calls), len(other.load.calls)) == (29, 1)
    assert len(events(door, Kind.ACCESS_GRANTED)) == 30
    assert problems(door) == []


def test_gate_grant_that_is_ended_in_between_lets_nobody_in(door: Door) -> None:
    """A grant that ends after the decision and before the entry opens nothing."""
    gate = between_count_and_entry(
        door, lambda: door.gate.end_grant(a_grant().grant_id, by="head-of-desk-2", now=NOW)
    )
    refused = gate.open(a_request(), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.NO_GRANT
    assert door.load.calls == []


def test_gate_that_never_catches_up_gives_up_and_lets_nobody_in(door: Door) -> None:
    """Where every decision is overtaken before its entry, the answer is an error, not a read."""
    ids = [a_grant().grant_id]

    def randomness(count: int) -> bytes:
        if ids[-1]:
            door.gate.end_grant(ids[-1], by="head-of-desk-2", now=NOW)
            ids.append(b"")
        else:
            ids.append(os.urandom(16))
            door.gate.grant(a_grant(grant_id=ids[-1]), now=NOW)
        return os.urandom(count)

    with pytest.raises(LogBusyError):
        Gate(door.engine, door.log, randomness=randomness).open(a_request(), door.load, now=NOW)
    assert door.load.calls == []
    assert not events(door, Kind.ACCESS_GRANTED) + events(door, Kind.ACCESS_DENIED)


def test_gate_log_that_cannot_be_written_lets_nobody_in(door: Door) -> None:
    """No log, no access: the loader is not called, and the caller gets an error, not a refusal."""
    with writing(door.engine) as connection:
        connection.execute(text("DROP TABLE log_tiles"))
    with pytest.raises(DatabaseError, match="log_tiles"):
        door.gate.open(a_request(), door.load, now=NOW)
    assert door.load.calls == []


def test_gate_log_whose_clock_ran_back_lets_nobody_in(door: Door) -> None:
    """A quota cannot be escaped by setting the clock: time that runs backwards stops the door."""
    with pytest.raises(LogClockError):
        door.gate.open(a_request(), door.load, now=NOW - 3600)
    assert door.load.calls == []


def test_gate_failing_loader_counts_and_tells_nothing(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """The read stands in the log; the error names a type, and holds no cause and no frame."""

    def load(subject: bytes, fields: frozenset[Field]) -> Mapping[Field, object]:
        raise KeyError("王秀兰-canary", subject, fields)

    with pytest.raises(LoadError, match="KeyError") as caught:
        door.gate.open(a_request(), load, now=NOW)
    assert len(events(door, Kind.ACCESS_GRANTED)) == 1
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    logging.getLogger().error("failed", exc_info=caught.value)
    assert "canary" not in caplog.text
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_gate_loader_that_gives_more_than_allowed_gives_nothing(door: Door) -> None:
    """A loader cannot widen an access."""

    def load(_subject: bytes, _fields: frozenset[Field]) -> Mapping[Field, object]:
        return {Field.COLOUR: 0, Field.PHONE: "13812345678"}

    with pytest.raises(LoadError, match="more fields"):
        door.gate.open(a_request(), load, now=NOW)


def test_gate_repeated_request_is_a_second_read(door: Door) -> None:
    """The same request again is counted and logged again: nothing is answered from memory."""
    for _ in range(2):
        door.gate.open(a_request(), door.load, now=NOW)
    assert len(events(door, Kind.ACCESS_GRANTED)) == 2


def test_gate_ended_grant_lets_nobody_in(door: Door) -> None:
    """From the moment a grant is ended, the next read is refused; ending twice is an error."""
    door.gate.end_grant(a_grant().grant_id, by="head-of-desk-2", now=NOW)
    refused = door.gate.open(a_request(), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.NO_GRANT
    with pytest.raises(GrantError):
        door.gate.end_grant(a_grant().grant_id, by="head-of-desk-2", now=NOW)
    assert [e.details.get("by") for e in events(door, Kind.GRANT_CHANGED)] == ["head-of-desk-2"] * 2
    assert problems(door) == []


def test_gate_failed_change_leaves_no_event(door: Door) -> None:
    """Ending what does not exist changes nothing, and the log says nothing."""
    size = door.log.size()
    with pytest.raises(GrantError):
        door.gate.end_grant(b"no-such-grant---", by="head-of-desk-2", now=NOW)
    assert door.log.size() == size


def test_gate_grant_made_twice_has_one_effect_and_changed_none(door: Door) -> None:
    """A retried grant is the same grant; the same id with wider fields is refused."""
    assert door.gate.grant(a_grant(), now=NOW) == 0
    with pytest.raises(EventConflictError):
        door.gate.grant(a_grant(fields=frozenset({Field.SURVEY})), now=NOW)


def test_gate_own_record_grant_cannot_be_stored(door: Door) -> None:
    """A person's own right is not something that staff hand out."""
    own = a_grant(
        role=Role.PERSON, purposes=frozenset({Purpose.OWN_RECORD}),
        principal=own_principal(GRANDMOTHER), own_subject=GRANDMOTHER,
    )  # fmt: skip
    with pytest.raises(GrantError):
        door.gate.grant(own, now=NOW)


def test_gate_clerk_who_looks_himself_up_is_refused(door: Door) -> None:
    """A clerk's grant names his own person record, which it does not open (C117)."""
    grant = a_grant(grant_id=b"clerk-17-again--", principal="clerk-19", own_subject=NEIGHBOUR)
    door.gate.grant(grant, now=NOW)
    request = a_request(principal="clerk-19", subject=NEIGHBOUR)
    refused = door.gate.open(request, door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.OWN_RECORD


def test_gate_own_record_that_one_grant_names_is_closed_to_all_of_the_clerks_grants(
    door: Door,
) -> None:
    """Another grant of the same clerk, that does not say who he is, is no way round."""
    for grant_id, own in ((b"says-who-he-is--", NEIGHBOUR), (b"says-nothing----", None)):
        grant = a_grant(grant_id=grant_id, principal="clerk-19", own_subject=own)
        door.gate.grant(grant, now=NOW)
    request = a_request(principal="clerk-19", subject=NEIGHBOUR)
    refused = door.gate.open(request, door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.OWN_RECORD


def test_gate_closed_case_is_refused_for_its_organisation_only(door: Door) -> None:
    """After a case is closed nobody of that organisation reads under it (C117)."""
    door.gate.close_case(HOSPITAL.id, CASE, by="head-of-desk-2", now=NOW)
    refused = door.gate.open(a_request(), door.load, now=NOW)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.CLOSED_CASE
    with pytest.raises(GrantError, match="already"):
        door.gate.close_case(HOSPITAL.id, CASE, by="head-of-desk-2", now=NOW)
    with pytest.raises(GrantError, match="not a case"):
        door.gate.close_case(HOSPITAL.id, "any", by="head-of-desk-2", now=NOW)
    elsewhere = replace(HOSPITAL, id="hospital-xian-5")
    door.gate.grant(a_grant(grant_id=b"elsewhere-------", organisation=elsewhere), now=NOW)
    request = a_request(organisation=elsewhere.id)
    assert isinstance(door.gate.open(request, door.load, now=NOW), Opened)
    assert problems(door) == []


def test_gate_malformed_case_does_not_reach_the_log(door: Door) -> None:
    """What somebody wrote in place of a case may be a name: the event holds the reason only."""
    door.gate.open(a_request(case="王秀兰 13812345678"), door.load, now=NOW)
    (event,) = events(door, Kind.ACCESS_DENIED)
    assert (event.details["case"], event.details["reason"]) == ("", "malformed-case")


def test_gate_reading_the_log_is_logged(door: Door) -> None:
    """A person who reads who read leaves an event of its own kind."""
    assert isinstance(door.gate.open(OWN, door.load, now=NOW), Opened)
    (event,) = events(door, Kind.LOG_READ)
    assert (event.subject, event.details["role"]) == (GRANDMOTHER, "person")


def test_gate_person_who_tries_anothers_record_stands_in_his_own(door: Door) -> None:
    """The refused reader's id is not told to the person whose record he wanted."""
    request = replace(OWN, principal=own_principal(NEIGHBOUR))
    refused = door.gate.open(request, door.load, now=NOW)
    assert isinstance(refused, Refused)
    (event,) = events(door, Kind.ACCESS_DENIED)
    assert event.subject == NEIGHBOUR
    assert GRANDMOTHER not in event.details.values()


def smuggle_grant(door: Door) -> None:
    """A grant row with no entry in the log."""
    with writing(door.engine) as connection:
        connection.execute(insert(grants).values(grant_id=b"x" * 16, principal="clerk-99"))


def steal_grant(door: Door) -> None:
    """The row of a true grant, filed under another principal."""
    with writing(door.engine) as connection:
        connection.execute(update(grants).values(principal="clerk-99"))


@pytest.mark.parametrize("tamper", [smuggle_grant, steal_grant])
def test_gate_grant_written_into_the_table_lets_nobody_in(
    door: Door, tamper: Callable[[Door], None]
) -> None:
    """A grant is its log entry: a row alone is none, and a row under another name is an error."""
    tamper(door)
    request = a_request(principal="clerk-99")
    if tamper is smuggle_grant:
        assert isinstance(door.gate.open(request, door.load, now=NOW), Refused)
    else:
        with pytest.raises(AuditError, match="another principal"):
            door.gate.open(request, door.load, now=NOW)
    assert door.load.calls == []


def test_gate_grant_changed_inside_the_log_lets_nobody_in(door: Door) -> None:
    """A grant whose stored body no longer fits its commitment opens nothing."""
    with writing(door.engine) as connection:
        body = connection.execute(select(log_entries.c.body)).scalar_one()
        wider = body.replace(b"desk-clerk", b"desk-clerl")
        connection.execute(update(log_entries).values(body=wider))
    with pytest.raises(AuditError, match="committed"):
        door.gate.open(a_request(), door.load, now=NOW)
    assert door.load.calls == []


def test_gate_uses_older_than_a_day_are_forgotten(door: Door) -> None:
    """The table beside the log keeps no history of who read whom."""
    door.gate.open(a_request(), door.load, now=NOW)
    door.gate.open(a_request(subject=NEIGHBOUR), door.load, now=NOW + DAY_S)
    with reading(door.engine) as connection:
        rows = connection.execute(select(access_uses.c.subject)).scalars().all()
    assert rows == [NEIGHBOUR]
    assert problems(door, NOW + DAY_S) == []


@pytest.mark.parametrize(
    "change",
    [
        {"to": 17}, {"role": "king"}, {"purposes": ["fun"]}, {"fields": ["diary"]}, {"quotas": [1]},
        {"quotas": [0, 1, 1]}, {"by": "clerk-17"}, {"until": 0}, {"org": "*"},
    ],
    ids=str,
)  # fmt: skip
def test_decode_grant_of_an_event_that_no_gate_wrote_is_refused(change: dict[str, Any]) -> None:
    """A grant that could not be made cannot be read either."""
    event = encode_grant(a_grant(), now=NOW)
    assert decode_grant(event) == a_grant()
    with pytest.raises(EventError):
        decode_grant(event._replace(details={**event.details, **change}))
