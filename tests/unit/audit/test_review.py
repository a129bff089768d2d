"""Whoever reviews the gate sees every grant and how much was read under it, and nobody's record."""

from collections.abc import Iterator

import pytest

from audit.access import DenyReason, Field, own_record_request
from audit.errors import EventError
from audit.events import Event, Kind
from audit.review import Reviewed, review
from tests.access_support import CASE, GRANDMOTHER, NOW, a_grant, a_request
from tests.audit_support import Door, open_door

HEAD = "head-of-desk-2"
ENDED = b"one-that-ended--"


@pytest.fixture
def door(engine_url: str) -> Iterator[Door]:
    """One clerk reads two people, one of them twice; one only tries; one has no grant."""
    door = open_door(engine_url)
    door.gate.grant(a_grant(grant_id=ENDED, principal="clerk-18"), now=NOW)
    door.gate.grant(a_grant(), now=NOW)
    door.gate.end_grant(ENDED, by=HEAD, now=NOW + 1)
    for at, subject in enumerate((GRANDMOTHER, b"somebody else---", GRANDMOTHER), start=2):
        door.gate.open(a_request(subject=subject), door.load, now=NOW + at)
    door.gate.open(a_request(case=""), door.load, now=NOW + 5)
    for principal in ("clerk-18", "clerk-99"):
        door.gate.open(a_request(principal=principal), door.load, now=NOW + 6)
    own = own_record_request(GRANDMOTHER, frozenset({Field.ACCESS_RECORD}))
    door.gate.open(own, door.load, now=NOW + 7)
    yield door
    door.engine.dispose()


def test_review_counts_what_staff_read_and_were_refused_under_each_grant(door: Door) -> None:
    """Most reads first; people who read their own record are not staff."""
    reader, idle, late, stranger = review(door.engine)
    assert reader == Reviewed(
        "clerk-17", a_grant(), None, 3, {GRANDMOTHER, b"somebody else---"},
        reader.refused,
    )  # fmt: skip
    assert reader.refused == {DenyReason.NO_CASE: 1}
    assert (idle.who, idle.grant, idle.ended_at, idle.reads) == (
        "clerk-18", a_grant(grant_id=ENDED, principal="clerk-18"), NOW + 1, 0,
    )  # fmt: skip
    assert not idle.refused
    for each, who in (late, "clerk-18"), (stranger, "clerk-99"):
        assert (each.who, each.grant) == (f"{who}, without a grant in force", None)
        assert (each.reads, each.refused) == (0, {DenyReason.NO_GRANT: 1})


def test_review_since_a_time_counts_no_earlier_reads_and_shows_all_grants(door: Door) -> None:
    """A grant that nobody used lately is under review as well."""
    found = {each.who: each for each in review(door.engine, since=NOW + 4)}
    assert (found["clerk-17"].reads, found["clerk-17"].people) == (1, {GRANDMOTHER})
    assert found["clerk-18"].grant is not None


def test_review_of_an_event_that_no_gate_writes_is_refused(door: Door) -> None:
    """It is not passed over: a read that counts for nobody would be hidden."""
    door.log.append([Event(b"x" * 16, Kind.ACCESS_GRANTED, NOW, None, {"case": CASE})], now=NOW + 8)
    with pytest.raises(EventError, match="neither a grant nor a principal"):
        review(door.engine)
