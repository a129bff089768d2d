"""Every value in the gate's tables is one that the log says, or is found."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, func, insert, select, update

from audit.access import DAY_S, Field, own_record_request
from audit.database import open_engine, reading, writing
from audit.events import Event, Kind
from audit.gate import Opened
from audit.gatecheck import gate_problems
from audit.models import access_uses, closed_cases, grants
from audit.verify import Broken, Verified, verify_log
from keys import cbor
from tests.access_support import CASE, GRANDMOTHER, HOSPITAL, NOW, a_grant, a_request
from tests.audit_support import Door, open_door

OWN = own_record_request(GRANDMOTHER, frozenset({Field.ACCESS_RECORD}))
CLERKS_OWN = b"clerk-17-herself"
HEAD = "head-of-desk-2"


@pytest.fixture
def door(engine_url: str) -> Iterator[Door]:
    """A day at the desk: a grant in force, one that ended, a closed case, two reads."""
    door = open_door(engine_url)
    door.gate.grant(a_grant(own_subject=CLERKS_OWN), now=NOW)
    door.gate.grant(a_grant(grant_id=b"one-that-ended--", principal="clerk-18"), now=NOW)
    door.gate.end_grant(b"one-that-ended--", by=HEAD, now=NOW + 1)
    door.gate.close_case(HOSPITAL.id, "GL-20201212-0001", by=HEAD, now=NOW + 2)
    assert isinstance(door.gate.open(a_request(), door.load, now=NOW + 3), Opened)
    assert isinstance(door.gate.open(OWN, door.load, now=NOW + 4), Opened)
    yield door
    door.engine.dispose()


def problems(door: Door, now: int = NOW + 10) -> list[str]:
    with reading(door.engine) as connection:
        return list(gate_problems(connection, now=now))


def test_gate_problems_after_an_honest_day_finds_none(door: Door) -> None:
    """What the gate itself wrote fits the log, a day later too."""
    assert problems(door) == []
    assert problems(door, NOW + 2 * DAY_S) == []


CHANGES: dict[Table, dict[str, object]] = {
    grants: {"grant_id": b"x" * 16, "principal": "clerk-99", "ended_at": NOW + 5},
    closed_cases: {"organisation": "hospital-x", "reference": CASE, "event_id": b"x" * 16},
    access_uses: {
        "event_id": b"x" * 16, "at": NOW + 5, "principal": "clerk-99",
        "organisation": "hospital-x", "subject": b"x" * 16,
    },
}  # fmt: skip


def test_every_column_of_the_gate_is_changed_below() -> None:
    """A column that is added later is compared, or this test says that it is not."""
    for table, changes in CHANGES.items():
        assert set(changes) == set(table.c.keys())


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [(t, c, row) for t in CHANGES for c in CHANGES[t] for row in range(2) if t is not closed_cases]
    + [(closed_cases, column, 0) for column in CHANGES[closed_cases]],
    ids=lambda value: value.name if isinstance(value, Table) else str(value),
)
def test_gate_problems_after_any_value_was_changed_names_it(
    door: Door, table: Table, column: str, row: int
) -> None:
    """Whoever writes another value into any column of any row is found."""
    key = next(iter(table.primary_key))
    with writing(door.engine) as connection:
        chosen = connection.execute(select(key).order_by(key).offset(row).limit(1)).scalar_one()
        changed = update(table).where(key == chosen).values({column: CHANGES[table][column]})
        assert connection.execute(changed).rowcount == 1
    assert problems(door)


@pytest.mark.parametrize("table", CHANGES, ids=lambda table: table.name)
def test_gate_problems_after_a_row_was_deleted_or_invented_names_it(
    door: Door, table: Table
) -> None:
    """Rows that are missing and rows that are too many are both found."""
    with writing(door.engine) as connection:
        connection.execute(delete(table))
    assert problems(door)
    with writing(door.engine) as connection:
        row = {**CHANGES[table], "subject": None} if table is access_uses else CHANGES[table]
        connection.execute(insert(table).values(row))
    assert problems(door)


def test_gate_problems_after_a_grant_was_revived_names_it(door: Door) -> None:
    """A grant that the log ended is not in force because a row says so."""
    with writing(door.engine) as connection:
        connection.execute(update(grants).values(ended_at=None))
    assert problems(door) == [f"grant {b'one-that-ended--'.hex()} is not filed as the log says"]


@pytest.mark.parametrize("subject", [GRANDMOTHER, CLERKS_OWN], ids=["reader", "clerk"])
def test_gate_problems_after_a_person_was_erased_finds_none(door: Door, subject: bytes) -> None:
    """Erasing a person leaves no id of him in the tables, and nothing that looks like tampering."""
    assert door.log.erase(subject, now=NOW + 5)
    assert problems(door) == []
    with reading(door.engine) as connection:
        uses = access_uses.c
        left = (uses.subject == subject) | uses.principal.contains(subject.hex())
        assert connection.execute(select(func.count()).where(left)).scalar_one() == 0


def test_gate_after_the_clerks_own_record_was_erased_lets_him_in_no_more(door: Door) -> None:
    """A grant is its entry: without the entry it opens nothing, and is granted anew."""
    door.log.erase(CLERKS_OWN, now=NOW + 5)
    assert not isinstance(door.gate.open(a_request(), door.load, now=NOW + 6), Opened)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (Kind.GRANT_CHANGED, {"ended": [1], "by": HEAD}),
        (Kind.GRANT_CHANGED, {"ended": None, "by": HEAD}),
        (Kind.GRANT_CHANGED, {}),
        (Kind.CASE_CLOSED, {"org": [1], "case": {"a": 1}, "by": HEAD}),
        (Kind.ACCESS_GRANTED, {"grant": [1], "org": [1], "purpose": [1]}),
    ],
    ids=str,
)
def test_verify_log_with_a_signed_event_that_no_gate_writes_tells(
    door: Door, kind: Kind, details: dict[str, cbor.Value]
) -> None:
    """Whoever runs the log can sign anything, and still cannot end an auditor's program."""
    door.log.append([Event(b"z" * 16, kind, NOW + 5, None, details)], now=NOW + 5)
    assert isinstance(verify_log(door.engine, door.log.key), Broken)


def test_verify_log_after_a_gate_row_was_changed_tells(door: Door) -> None:
    """The command that verifies the log finds tables that say otherwise than the log."""
    assert isinstance(verify_log(door.engine, door.log.key), Verified)
    with writing(door.engine) as connection:
        connection.execute(update(access_uses).values(principal="clerk-99"))
    broken = verify_log(door.engine, door.log.key)
    assert isinstance(broken, Broken)
    assert "not counted as the log says" in str(broken)


def test_verify_log_after_the_page_of_grants_was_damaged_tells(tmp_path: Path) -> None:
    """A cell pointer that leads astray gives a grant without an id: a finding, not an error."""
    path = tmp_path / "log.db"
    door = open_door(f"sqlite:///{path}")
    door.gate.grant(a_grant(own_subject=CLERKS_OWN), now=NOW)
    with reading(door.engine) as connection:
        size = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
        page = connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_master WHERE name = ?", (grants.name,)
        ).scalar_one()
    door.engine.dispose()
    data = bytearray(path.read_bytes())
    data[(page - 1) * size + 8] ^= 1  # the first cell pointer, behind a leaf's header of 8 bytes
    path.write_bytes(data)
    engine = open_engine(f"sqlite:///{path}")
    broken = verify_log(engine, door.log.key)
    engine.dispose()
    assert isinstance(broken, Broken)
    assert "the database's file is damaged" in str(broken)
