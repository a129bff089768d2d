"""Deltas: bytes, reach, signers, succession, and the union that they make."""

import random
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.purpose import Purpose
from keys.sodium import sha256
from keys.trustlist import TrustList
from tests.code_support import DAY_S, NOW, SHAANXI, World, listed
from tests.vectors import generate_status_delta
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.ours import answer
from verifier.claims import HOUR_S
from verifier.errors import (
    StatusListError,
    StatusListFormatError,
    StatusListScopeError,
    StatusListSignerError,
)
from verifier.statusdelta import (
    StatusDelta,
    accept_delta,
    apply_delta,
    encode_changes,
    peek_delta,
    recall_delta,
    sign_delta,
    verify_delta,
)
from verifier.statuslist import (
    MAX_ENTRIES,
    Snapshot,
    Status,
    StatusList,
    pack_statuses,
)

TRUST = World().trust
SIZE = 64
TAKEN = st.sampled_from([Status.WITHDRAWN, Status.SUPERSEDED])
CHANGES = st.dictionaries(st.integers(0, SIZE - 1), TAKEN)


def delta_of(changes: dict[int, Status], *, at: int = NOW, base: int = NOW - DAY_S) -> StatusDelta:
    return StatusDelta("610000", at, at + DAY_S, base, {1: encode_changes(changes)})


def list_of(statuses: dict[int, Status], *, at: int = NOW - HOUR_S) -> StatusList:
    packed = pack_statuses(statuses, entries=SIZE)
    return StatusList(1, "610000", at, at + DAY_S, 2, packed, b"")


# --- cases ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", case_folders("status-delta"), ids=lambda case: case.name)
def test_delta_case_has_the_stated_answer(case: Path) -> None:
    """Every folder states what an update by its delta leads to, or which error stops it."""
    assert answer(case) == expected(case)


def test_delta_cases_are_what_the_generator_makes() -> None:
    """The files can be made again, byte for byte."""
    assert found("status-delta") == files(generate_status_delta.cases())


# --- bytes ----------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(0, MAX_ENTRIES - 1), TAKEN, max_size=50))
def test_delta_round_trip_gives_every_change(changes: dict[int, Status]) -> None:
    """What is encoded, signed and laid over an empty list is what was changed."""
    delta = sign_delta(delta_of(changes), SHAANXI.status_signer)
    read = verify_delta(delta, TRUST, now=NOW)
    assert read == recall_delta(delta, TRUST) == peek_delta(delta)
    empty = StatusList(1, "610000", NOW, NOW + 1, 2, bytes(MAX_ENTRIES // 4), b"")
    assert apply_delta(empty, read).packed == pack_statuses(changes, entries=MAX_ENTRIES)


def test_delta_encoding_valid_is_a_wrong_call() -> None:
    """Nothing comes back to life."""
    with pytest.raises(ValueError, match="VALID"):
        encode_changes({1: Status.VALID})


@given(st.binary(max_size=12))
def test_delta_changes_of_any_bytes_have_one_encoding(changes: bytes) -> None:
    """Whatever bytes: refused, or exactly those that we would write for what they say."""
    empty = list_of({})
    delta = StatusDelta("610000", NOW, NOW + 1, 0, {1: changes})
    try:
        new = apply_delta(empty, delta)
    except StatusListError:
        return
    said = {index: Status(new.status(index)) for index in range(SIZE) if new.status(index)}
    assert encode_changes(said) == changes


def test_delta_every_one_bit_flip_is_refused() -> None:
    """No bit of a delta can be changed."""
    data = sign_delta(delta_of({1: Status.WITHDRAWN}), SHAANXI.status_signer)
    for place in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            with pytest.raises(StatusListError):
                verify_delta(bytes(changed), TRUST, now=NOW)


def test_delta_damaged_is_not_peeked_at() -> None:
    """A file that is no delta any more is none."""
    with pytest.raises(StatusListFormatError):
        peek_delta(sign_delta(delta_of({}), SHAANXI.status_signer)[:-1])


@pytest.mark.parametrize("taken", [Status.WITHDRAWN, Status.SUPERSEDED])
@pytest.mark.parametrize("gap", [*range(60, 69), *range(8_188, 8_197)])
def test_delta_round_trip_where_a_distance_takes_a_byte_more(gap: int, taken: Status) -> None:
    """Seven bits a byte, and one of them says what became of the entry."""
    changes = {5: Status.WITHDRAWN, 5 + gap: taken}
    packed = apply_delta(replace(list_of({}), packed=bytes(MAX_ENTRIES // 4)), delta_of(changes))
    assert packed.packed == pack_statuses(changes, entries=MAX_ENTRIES)


# --- whose it is, and when ------------------------------------------------------------------------


def trust_with_status_key(*, not_before: int, not_after: int) -> TrustList:
    """The world's, in which Shaanxi's status key has this window."""
    key = listed(
        SHAANXI.status_signer.public_key,
        Purpose.STATUS,
        not_before=not_before,
        not_after=not_after,
    )
    issuer = replace(SHAANXI.listed(), keys=(key,))
    others = tuple(each for each in TRUST.issuers if each.region != SHAANXI.region)
    return replace(TRUST, issuers=(issuer, *others))


def test_delta_signed_before_its_key_was_in_force_is_refused() -> None:
    """Both when it comes and when it is read again: a key signs nothing for the past."""
    data = sign_delta(delta_of({}, at=NOW - 1), SHAANXI.status_signer)
    trust = trust_with_status_key(not_before=NOW, not_after=NOW + DAY_S)
    with pytest.raises(StatusListSignerError, match="not in force"):
        verify_delta(data, trust, now=NOW)
    with pytest.raises(StatusListSignerError, match="not in force"):
        recall_delta(data, trust)


def test_delta_by_a_key_that_ended_is_refused_and_one_held_stays() -> None:
    """A key that is over brings nothing new; what it said in its time still counts."""
    data = sign_delta(delta_of({}, at=NOW - 2), SHAANXI.status_signer)
    trust = trust_with_status_key(not_before=NOW - DAY_S, not_after=NOW)
    assert verify_delta(data, trust, now=NOW - 1) == recall_delta(data, trust)
    with pytest.raises(StatusListSignerError, match="not in force"):
        verify_delta(data, trust, now=NOW)


def test_delta_of_another_region_than_its_signer_is_refused() -> None:
    """Also where it names no list, whose number would tell."""
    data = sign_delta(replace(delta_of({}), region="230000", changes={}), SHAANXI.status_signer)
    with pytest.raises(StatusListScopeError, match="another issuer"):
        verify_delta(data, TRUST, now=NOW)


def test_delta_of_another_region_than_the_snapshot_is_refused() -> None:
    """A snapshot that names another region's delta does not make it its own."""
    data = sign_delta(delta_of({}), SHAANXI.status_signer)
    snapshot = Snapshot("230000", NOW, NOW + DAY_S, TRUST.version, {}, sha256(data))
    with pytest.raises(StatusListScopeError, match="delta of region 610000"):
        accept_delta(None, data, snapshot, TRUST, now=NOW)


# --- the union ------------------------------------------------------------------------------------


def test_delta_over_a_list_counts_from_the_later_of_both() -> None:
    """The age of what is held is that of the newest word about it."""
    assert apply_delta(list_of({}), delta_of({})).issued_at == NOW
    assert apply_delta(list_of({}, at=NOW + 60), delta_of({})).issued_at == NOW + 60


@given(CHANGES, CHANGES)
def test_delta_over_a_list_is_the_union_and_nothing_gets_milder(
    before: dict[int, Status], changes: dict[int, Status]
) -> None:
    """Each entry is the harder of what list and delta say; laying it over twice changes nothing."""
    new = apply_delta(list_of(before), delta_of(changes))
    for index in range(SIZE):
        said = {before.get(index, Status.VALID), changes.get(index, Status.VALID)}
        harder = [s for s in (Status.WITHDRAWN, Status.SUPERSEDED, Status.VALID) if s in said]
        assert new.status(index) == harder[0]
    assert apply_delta(new, delta_of(changes)).packed == new.packed


@given(CHANGES, st.lists(CHANGES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_deltas_in_any_order_and_number_come_to_the_same(
    before: dict[int, Status], several: list[dict[int, Status]], draw: random.Random
) -> None:
    """Whatever order they come in, and however often: the same entries."""
    results = set()
    for order in permutations(several):
        held = list_of(before)
        for changes in [*order, *draw.choices(order, k=2)]:
            held = apply_delta(held, delta_of(changes))
        results.add(held.packed)
    assert len(results) == 1
