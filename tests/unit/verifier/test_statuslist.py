"""Status lists and snapshots: bits, streams, signers, succession."""

import zlib
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import cbor
from keys.cose import sign_sign1
from keys.errors import CborError
from tests.code_support import DAY_S, HEILONGJIANG, NOW, SHAANXI, World, signer
from tests.shared_vectors import read_json
from tests.vectors import generate_status_list
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.ours import answer
from verifier.claims import HOUR_S
from verifier.errors import (
    SnapshotError,
    StatusListClearedError,
    StatusListError,
    StatusListExpiredError,
    StatusListFormatError,
    StatusListIndexError,
    StatusListScopeError,
    StatusListSignerError,
)
from verifier.statuslist import (
    MAX_ENTRIES,
    MAX_LIST_AGE_S,
    SNAPSHOT_TYP,
    Snapshot,
    Status,
    StatusList,
    accept_status_list,
    pack_statuses,
    peek_status_list,
    recall_status_list,
    sign_snapshot,
    sign_status_list,
    verify_snapshot,
    verify_status_list,
)

TRUST = World().trust
ENCODING: dict[str, Any] = read_json("status-list/encoding.json")
ES256: dict[str, Any] = read_json("status-list/tokens_es256.json")


def signed(packed: bytes = bytes(256), **changed: Any) -> bytes:  # noqa: ANN401 - passed on
    arguments = {
        "uri": SHAANXI.uri(1),
        "issued_at": NOW - HOUR_S,
        "exp": NOW + DAY_S,
        "ttl": HOUR_S,
        "signer": SHAANXI.status_signer,
        **changed,
    }
    return sign_status_list(packed, **arguments)


def status_list(packed: bytes, bits: int) -> StatusList:
    return StatusList(1, "610000", NOW, NOW + 1, bits, packed, b"")


# --- the published vectors ------------------------------------------------------------------------


@pytest.mark.parametrize("vector", ENCODING["vectors"], ids=lambda vector: vector["name"])
def test_status_list_published_encoding_reads_exactly(vector: dict[str, Any]) -> None:
    """C89: each published index reads as stated, all others as 0, and none lies outside."""
    members = cbor.decode(bytes.fromhex(vector["cbor_hex"]), max_bytes=2**21, ordered=False)
    assert isinstance(members, dict)
    lst = members["lst"]
    assert isinstance(lst, bytes)
    packed = zlib.decompress(lst)
    held = status_list(packed, vector["bits"])
    assert held.size == vector["entries"]
    stated = {int(index): value for index, value in vector["statuses"].items()}
    read = {index: held.status(index) for index in range(held.size) if held.status(index)}
    assert read == {index: value for index, value in stated.items() if value}
    assert zlib.compress(packed, 9) == lst
    with pytest.raises(StatusListIndexError):
        held.status(held.size)


def test_status_list_published_es256_token_is_refused_for_its_algorithm() -> None:
    """The draft's own token: right structure, bits that read exactly, another algorithm."""
    token = bytes.fromhex(ES256["status_list_token_cwt_hex"])
    with pytest.raises(StatusListFormatError, match="header"):
        verify_status_list(token, TRUST, now=1_700_000_000)
    with pytest.raises(CborError):
        cbor.decode(token, max_bytes=len(token))
    members = ES256["status_list_token"]["claims"]["65533"]
    held = status_list(zlib.decompress(bytes.fromhex(members["lst_hex"])), members["bits"])
    assert [held.status(index) for index in range(held.size)] == [
        1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1,
    ]  # fmt: skip


# --- our cases ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", case_folders("status-list"), ids=lambda case: case.name)
def test_status_list_case_has_the_stated_answer(case: Path) -> None:
    """Every folder states whether its token may be held from now on, or which error forbids it."""
    assert answer(case) == expected(case)


def test_status_list_cases_are_what_the_generator_makes() -> None:
    """The files can be made again, byte for byte."""
    assert found("status-list") == files(generate_status_list.cases())


# --- both directions ------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(0, 1023), st.sampled_from(Status)))
def test_status_list_round_trip_gives_every_entry(statuses: dict[int, Status]) -> None:
    """What is packed and signed is what is read, and all other entries are VALID."""
    packed = pack_statuses(statuses, entries=1024)
    held = verify_status_list(signed(packed), TRUST, now=NOW)
    assert (held.list_number, held.region, held.size) == (1, "610000", 1024)
    read = [held.status(index) for index in range(1024)]
    assert read == [statuses.get(index, Status.VALID) for index in range(1024)]


@pytest.mark.parametrize("index", [-1, -4, 1024, 1025, 2**63])
def test_status_list_index_outside_is_refused(index: int) -> None:
    """C82: no index outside the list ever reads as VALID."""
    with pytest.raises(StatusListIndexError):
        status_list(bytes(256), 2).status(index)


@pytest.mark.parametrize("entries", [0, -4, 3, 1022, MAX_ENTRIES + 4])
def test_status_list_packing_a_size_that_cannot_be_is_a_wrong_call(entries: int) -> None:
    """A list fills whole bytes, and has at most 2^20 entries."""
    with pytest.raises(ValueError, match="multiple of 4"):
        pack_statuses({}, entries=entries)


def test_status_list_packing_an_index_outside_is_a_wrong_call() -> None:
    """No entry is lost."""
    for index in (-1, 8):
        with pytest.raises(ValueError, match="outside"):
            pack_statuses({index: Status.WITHDRAWN}, entries=8)


@pytest.mark.parametrize(
    "changed",
    [
        {"packed": b""},
        {"packed": bytes(MAX_ENTRIES // 4 + 1)},
        {"ttl": 0},
        {"ttl": MAX_LIST_AGE_S + 1},
        {"exp": NOW - HOUR_S},
    ],
)
def test_status_list_signing_what_nobody_would_accept_is_a_wrong_call(
    changed: dict[str, Any],
) -> None:
    """An issuer notices before it publishes."""
    with pytest.raises(ValueError, match="refuse"):
        signed(**changed)


def test_status_list_ends_at_its_own_end_or_after_24_hours() -> None:
    """Whatever end a list names, it decides nothing when it is older than 24 hours."""
    early = verify_status_list(signed(exp=NOW + 60), TRUST, now=NOW)
    late = verify_status_list(signed(exp=NOW + 90 * DAY_S), TRUST, now=NOW)
    assert early.ends == NOW + 60
    assert late.ends == NOW - HOUR_S + MAX_LIST_AGE_S + 1


def test_status_list_recalled_after_its_end_is_still_read() -> None:
    """An ended list is stale, which the check says; it is not missing."""
    token = signed(exp=NOW + 1)
    with pytest.raises(StatusListExpiredError):
        verify_status_list(token, TRUST, now=NOW + 1)
    assert recall_status_list(token, TRUST).exp == NOW + 1


def test_status_list_recalled_under_a_list_without_its_signer_is_refused() -> None:
    """When a status key is withdrawn, the lists that it signed go with it."""
    without = replace(TRUST, issuers=(HEILONGJIANG.listed(),))
    with pytest.raises(StatusListSignerError):
        recall_status_list(signed(), without)


def test_status_list_peeked_at_reads_the_entries_without_a_signer() -> None:
    """What was taken back can be compared even when its signer is gone."""
    packed = pack_statuses({5: Status.WITHDRAWN}, entries=1024)
    peeked = peek_status_list(signed(packed, signer=signer("gone")), list_number=1)
    assert (peeked.list_number, peeked.status(5)) == (1, Status.WITHDRAWN)


def test_status_list_peeked_at_under_another_number_is_refused() -> None:
    """A file in the place of another is not compared with the wrong list."""
    with pytest.raises(StatusListScopeError):
        peek_status_list(signed(), list_number=2)


def test_status_list_every_one_bit_flip_is_refused() -> None:
    """No bit of a token can be changed."""
    token = signed(bytes(4))
    for place in range(len(token)):
        for bit in range(8):
            changed = bytearray(token)
            changed[place] ^= 1 << bit
            with pytest.raises(StatusListError):
                verify_status_list(bytes(changed), TRUST, now=NOW)


def test_status_list_truncated_at_every_byte_is_refused() -> None:
    """No beginning of a token is a token."""
    token = signed(bytes(4))
    for length in range(len(token)):
        with pytest.raises(StatusListError):
            verify_status_list(token[:length], TRUST, now=NOW)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=4))
def test_status_list_succession_is_refused_exactly_where_an_entry_revives(
    entries: list[tuple[int, int]],
) -> None:
    """Four entries before and after: refused where one leaves WITHDRAWN or returns to VALID."""
    before = sum(old << 2 * place for place, (old, _) in enumerate(entries))
    after = sum(new << 2 * place for place, (_, new) in enumerate(entries))
    held = verify_status_list(signed(bytes((before,))), TRUST, now=NOW)
    token = signed(bytes((after,)), issued_at=NOW)
    revived = any((old == 1 and new != 1) or (old and not new) for old, new in entries)
    with pytest.raises(StatusListClearedError) if revived else nullcontext():
        accept_status_list(held, token, TRUST, now=NOW)


# --- snapshots ------------------------------------------------------------------------------------


def snapshot_of(*held: StatusList) -> Snapshot:
    digests = {one.list_number: one.digest for one in held}
    return Snapshot("610000", NOW - HOUR_S, NOW + DAY_S, TRUST.version, digests, bytes(32))


def test_snapshot_round_trip_names_the_list() -> None:
    """A signed snapshot comes back as it was, and holds the list that it was made of."""
    held = verify_status_list(signed(), TRUST, now=NOW)
    snapshot = snapshot_of(held)
    read = verify_snapshot(sign_snapshot(snapshot, SHAANXI.status_signer), TRUST, now=NOW)
    assert read == snapshot
    assert read.digests == {1: held.digest}


def test_snapshot_by_another_issuer_is_refused() -> None:
    """A region's snapshot is signed by that region."""
    data = sign_snapshot(snapshot_of(), HEILONGJIANG.status_signer)
    with pytest.raises(StatusListScopeError):
        verify_snapshot(data, TRUST, now=NOW)


def test_snapshot_that_goes_by_a_newer_trust_list_is_refused() -> None:
    """Who withholds the trust list cannot hide it: the snapshot names its version."""
    newer = replace(snapshot_of(), trust_version=TRUST.version + 1)
    with pytest.raises(SnapshotError, match="newer"):
        verify_snapshot(sign_snapshot(newer, SHAANXI.status_signer), TRUST, now=NOW)


@pytest.mark.parametrize("now", [NOW - HOUR_S - 1, NOW + DAY_S])
def test_snapshot_outside_its_time_is_refused(now: int) -> None:
    """Neither from the future nor after its end."""
    data = sign_snapshot(snapshot_of(), SHAANXI.status_signer)
    with pytest.raises(StatusListExpiredError):
        verify_snapshot(data, TRUST, now=now)


@pytest.mark.parametrize(
    "changed",
    [
        {7: 0},
        {6: 0},
        {6: bytes(33)},
        {5: {1: bytes(31)}},
        {5: {"1": bytes(32)}},
        {5: {True: bytes(32)}},
        {5: []},
        {2: "1"},
        {2: True},
        {4: False},
        {3: None},
    ],
    ids=repr,
)
def test_snapshot_of_another_shape_is_refused(changed: dict[int, object]) -> None:
    """A closed profile: no other members, no other types."""
    members = {1: "610000", 2: NOW, 3: NOW + 1, 4: 1, 5: {1: bytes(32)}, 6: bytes(32)}
    data = sign_sign1(cbor2.dumps({**members, **changed}), SHAANXI.status_signer, typ=SNAPSHOT_TYP)
    with pytest.raises(StatusListFormatError):
        verify_snapshot(data, TRUST, now=NOW)
