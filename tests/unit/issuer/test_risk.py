"""The risk table: levels at any instant, history that only grows, the signed form."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.colour.regions import load_regions
from issuer.colour.risk import (
    RISK_TABLE_TYP,
    RiskChange,
    RiskLevel,
    RiskTable,
    accept_risk_table,
    decode_risk_table,
    encode_risk_table,
    shipped_risk_table,
    sign_risk_table,
    verify_risk_table,
)
from issuer.errors import RiskTableError
from keys import cbor
from keys.cose import sign_sign1
from keys.signer import SeedSigner
from tests.evidence_support import DAY, NOW, QINGYUN, SHAANXI, TODAY, XIAN_COMPOUND, YINGZE, table

SIGNER = SeedSigner(bytes(31) + b"\x01")
OTHER = SeedSigner(bytes(31) + b"\x02")
LOW, MEDIUM, HIGH = RiskLevel
THIRTEENTH = shipped_risk_table("2020-12-13")
PLACES = ("230000", "231000", "231081", QINGYUN, YINGZE, SHAANXI)

_changes = st.lists(
    st.builds(
        RiskChange,
        st.sampled_from(PLACES),
        st.sampled_from([None, *RiskLevel]),
        st.integers(0, 9).map(lambda day: TODAY + day * DAY),
    ),
    max_size=8,
    unique_by=lambda change: (change.place, change.at),
)
tables = _changes.map(lambda rows: RiskTable(1, NOW, tuple(sorted(rows, key=_order))))


def _order(change: RiskChange) -> tuple[str, int]:
    return change.place, change.at


def test_risk_table_of_13_december_names_the_three_compounds_of_the_notice() -> None:
    """青云小区、海融富华苑小区、机务段铁路综合楼 are medium; Yingze Lidu is low."""
    names = {load_regions().place(p).zh for p in THIRTEENTH.places_at(MEDIUM, NOW)}
    assert names == {"青云小区", "海融富华苑小区", "机务段铁路综合楼"}
    begin = TODAY - DAY
    for change in THIRTEENTH.changes:
        assert THIRTEENTH.level(change.place, begin - 1) is LOW
        assert THIRTEENTH.level(change.place, begin) is MEDIUM
    assert THIRTEENTH.places_at(HIGH, NOW) == ()
    for place in (YINGZE, "231081", "230000", XIAN_COMPOUND):
        assert THIRTEENTH.level(place, NOW) is LOW


def test_risk_level_is_that_of_the_smallest_place_with_one() -> None:
    """Own level first, then county, city, province, and low where nobody said anything."""
    risks = table(("230000", MEDIUM, NOW), ("231081", HIGH, NOW + 1), (QINGYUN, LOW, NOW + 2))
    levels = [[risks.level(p, NOW + s) for s in (-1, 0, 1, 2)] for p in (QINGYUN, YINGZE, "231000")]
    assert levels == [
        [LOW, MEDIUM, HIGH, LOW],
        [LOW, MEDIUM, HIGH, HIGH],
        [LOW, MEDIUM, MEDIUM, MEDIUM],
    ]
    assert risks.level(SHAANXI, NOW + 2) is LOW


def test_risk_level_own_level_taken_away_falls_back_to_the_county() -> None:
    """A compound that was lowered in spring rises with its county in winter once it has none."""
    risks = table((QINGYUN, LOW, NOW), (QINGYUN, None, NOW + 2), ("231081", HIGH, NOW + 1))
    assert [risks.level(QINGYUN, NOW + s) for s in (0, 1, 2)] == [LOW, LOW, HIGH]


@given(tables, st.sampled_from([*PLACES, "231081-other", "610113"]))
@settings(deadline=None)
def test_risk_timeline_agrees_with_level_at_every_instant(risks: RiskTable, place: str) -> None:
    """Between the instants of a place's timeline its level stays what the timeline says."""
    instants, levels = risks.timeline(place)
    assert len(levels) == len(instants) + 1
    assert list(instants) == sorted(set(instants))
    for day in range(-1, 11):
        at = TODAY + day * DAY
        assert levels[sum(instant <= at for instant in instants)] is risks.level(place, at)
        assert risks.level(place, at) is _naive_level(risks, place, at)


def _naive_level(risks: RiskTable, place: str, at: int) -> RiskLevel:
    for around in dict.fromkeys([place, place[:6], place[:4] + "00", place[:2] + "0000"]):
        past = [c for c in risks.changes if c.place == around and c.at <= at]
        if past and past[-1].level is not None:
            return past[-1].level
    return LOW


def test_risk_timeline_of_invented_compounds_is_not_kept() -> None:
    """Asking for a million names of no compound leaves one entry, that of the county."""
    risks = table((QINGYUN, MEDIUM, NOW))
    for number in range(100):
        risks.level(f"231081-x{number}", NOW)
    assert set(risks._timelines) == {"231081"}


@given(tables, st.sampled_from(PLACES), st.sampled_from([None, *RiskLevel]))
@settings(deadline=None)
def test_risk_affected_by_covers_every_place_whose_level_a_change_changes(
    risks: RiskTable, place: str, level: RiskLevel | None
) -> None:
    """Nobody outside what is re-assessed has another level at any instant than before."""
    at = TODAY + 20 * DAY
    change = RiskChange(place, level, at)
    after = risks.with_change(place, level, at, issued_at=NOW)
    affected = risks.affected_by(change)
    for other in (*PLACES, "231081-other", "610113"):
        instants = [TODAY + day * DAY for day in range(-1, 25)]
        changed = any(risks.level(other, t) is not after.level(other, t) for t in instants)
        assert affected.covers(other) or not changed


def test_risk_affected_by_leaves_out_what_keeps_its_own_level() -> None:
    """When the county rises, a compound with a level of its own keeps it and is left alone."""
    affected = THIRTEENTH.affected_by(RiskChange("231081", HIGH, NOW))
    assert affected.place == "231081"
    assert affected.without == tuple(sorted(c.place for c in THIRTEENTH.changes))
    assert affected.covers(YINGZE)
    assert affected.covers("231081")
    assert not affected.covers(QINGYUN)
    assert not affected.covers("231000")


def test_risk_affected_by_one_compound_covers_it_alone() -> None:
    """Raising Yingze Lidu concerns Yingze Lidu."""
    affected = THIRTEENTH.affected_by(RiskChange(YINGZE, MEDIUM, NOW))
    assert [p for p in PLACES if affected.covers(p)] == [YINGZE]
    assert affected.without == ()


def test_risk_with_change_is_the_next_version_and_keeps_all_history() -> None:
    """A change adds one row, counts up one version, and leaves the old table as it was."""
    raised = THIRTEENTH.with_change(YINGZE, MEDIUM, NOW, issued_at=NOW)
    assert raised.version == THIRTEENTH.version + 1
    assert set(raised.changes) - set(THIRTEENTH.changes) == {RiskChange(YINGZE, MEDIUM, NOW)}
    assert set(THIRTEENTH.changes) <= set(raised.changes)
    assert (raised.level(YINGZE, NOW - 1), raised.level(YINGZE, NOW)) == (LOW, MEDIUM)
    assert THIRTEENTH.level(YINGZE, NOW) is LOW


@pytest.mark.parametrize("back", [0, 1, DAY])
def test_risk_with_change_of_the_past_of_a_place_is_refused(back: int) -> None:
    """History is not rewritten: a change of a place lies after its last one."""
    last = THIRTEENTH.changes[0]
    with pytest.raises(RiskTableError, match="already has a change"):
        THIRTEENTH.with_change(last.place, HIGH, last.at - back, issued_at=NOW)


# --- the signed form ---


@given(tables)
@settings(deadline=None)
def test_risk_table_encoded_and_decoded_is_the_same(risks: RiskTable) -> None:
    """Encoding and decoding are inverses."""
    assert decode_risk_table(encode_risk_table(risks)) == risks


def test_risk_table_signed_and_verified_is_the_same() -> None:
    """What was signed is what a region look-up reads."""
    signed = sign_risk_table(THIRTEENTH, SIGNER)
    assert verify_risk_table(signed, SIGNER.public_key) == THIRTEENTH


def test_risk_table_any_byte_flipped_or_cut_is_refused() -> None:
    """No byte of the signed form can change, or be missing, unnoticed."""
    signed = sign_risk_table(THIRTEENTH, SIGNER)
    for index in range(len(signed)):
        changed = signed[:index] + bytes([signed[index] ^ 1]) + signed[index + 1 :]
        for bad in (changed, signed[:index]):
            with pytest.raises(RiskTableError):
                verify_risk_table(bad, SIGNER.public_key)


def test_risk_table_of_another_key_or_type_is_refused() -> None:
    """A table counts under its key and its type only."""
    with pytest.raises(RiskTableError):
        verify_risk_table(sign_risk_table(THIRTEENTH, OTHER), SIGNER.public_key)
    payload = encode_risk_table(THIRTEENTH)
    for typ in (None, "application/celadon-rules+cbor"):
        with pytest.raises(RiskTableError):
            verify_risk_table(sign_sign1(payload, SIGNER, typ=typ), SIGNER.public_key)
    own = sign_sign1(payload, SIGNER, typ=RISK_TABLE_TYP)
    assert verify_risk_table(own, SIGNER.public_key) == THIRTEENTH


ROW = [QINGYUN, 1, NOW]


@pytest.mark.parametrize(
    "payload",
    [
        [],
        {1: 1, 2: NOW},
        {1: 1, 2: NOW, 3: [], 4: 0},
        {1: 0, 2: NOW, 3: []},
        {1: -1, 2: NOW, 3: []},
        {1: True, 2: NOW, 3: []},
        {1: 1, 2: True, 3: []},
        {1: 1, 2: "now", 3: []},
        {1: 1, 2: 0, 3: []},
        {1: 1, 2: NOW, 3: [ROW, ROW]},
        {1: 1, 2: NOW, 3: [ROW, ["231000", 1, NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, 3, NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, -1, NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, True, NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, "medium", NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, 1, 0]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, 1, True]]},
        {1: 1, 2: NOW, 3: [["990000", 1, NOW]]},
        {1: 1, 2: NOW, 3: [["", 1, NOW]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, 1]]},
        {1: 1, 2: NOW, 3: [[QINGYUN, 1, NOW, 0]]},
        {1: 1, 2: NOW, 3: ["231081"]},
    ],
)
def test_risk_table_payload_of_another_shape_is_refused(payload: object) -> None:
    """Only a table decodes: exact members, types, order, levels and places."""
    with pytest.raises(RiskTableError):
        decode_risk_table(cbor.encode(payload))


def test_risk_table_accept_refuses_rollback_fork_and_forgetting() -> None:
    """A held table is followed by a higher version that contains all of its history."""
    first = THIRTEENTH
    second = first.with_change(YINGZE, MEDIUM, NOW, issued_at=NOW)
    fork = first.with_change(YINGZE, HIGH, NOW, issued_at=NOW)
    assert accept_risk_table(None, first) is first
    assert accept_risk_table(first, second) is second
    assert accept_risk_table(second, second) is second
    forgetful = replace(second, version=3, changes=second.changes[1:])
    grown = replace(second.with_change(QINGYUN, LOW, NOW, issued_at=NOW), version=2)
    refused = [(second, first), (second, fork), (second, forgetful), (second, grown)]
    for held, new in refused:
        with pytest.raises(RiskTableError):
            accept_risk_table(held, new)
