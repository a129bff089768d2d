"""The trust list: every vector file, every changed bit, every rule of acceptance."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys import cbor, errors
from keys.errors import TrustListError, TrustListFormatError, TrustListKeyError
from keys.lifecycle import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustenvelope import (
    Signature,
    encode_envelope,
    merge_envelopes,
    sig_structure,
)
from keys.trustlist import (
    Ending,
    ListedIssuer,
    ListedKey,
    PinnedPolicy,
    Roots,
    TrustList,
    decode_roots,
    decode_trust_list,
    encode_roots,
    encode_trust_list,
    sign_trust_list,
    verify_trust_list,
)
from keys.trustmodel import MAX_KEYS
from keys.trustupdate import accept_trust_list
from tests.shared_vectors import read_json
from tests.vectors import generate_trust_list as generate
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.ours import answer

CASES = case_folders("trust-list")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_accept_gives_the_result_that_the_case_states(case: Path) -> None:
    """Every list in tests/vectors/trust-list is accepted or refused for the reason it names."""
    assert answer(case) == expected(case)


def test_every_reason_of_refusal_has_a_case() -> None:
    """No TrustListError exists that no case produces."""
    leaves = {leaf.__name__ for leaf in TrustListError.__subclasses__()}
    produced = {expected(case)["result"] for case in CASES}
    assert produced == {"accepted", *leaves}
    assert leaves <= set(vars(errors))


def test_generator_gives_the_files_as_they_are() -> None:
    """The cases follow from the generator, byte for byte, and none is left over."""
    assert found("trust-list") == files(generate.cases())


def test_every_changed_bit_of_a_list_is_refused() -> None:
    """No bit of a signed list is free, not even in a signature that the quorum does not need."""
    data = sign_trust_list(generate.PAYLOAD, generate.ROOT_SIGNERS[:4])
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(TrustListError):
            verify_trust_list(bytes(changed), generate.ROOTS)


def test_list_truncated_at_every_byte_is_refused() -> None:
    """No beginning of a list is a list."""
    for length in range(len(generate.GOOD)):
        with pytest.raises(TrustListError):
            verify_trust_list(generate.GOOD[:length], generate.ROOTS)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_verify_any_bytes_raises_a_trust_list_error(data: bytes) -> None:
    """Nothing but our own error comes out, also behind a good tag."""
    for offered in (data, b"\xd8\x62" + data):
        with pytest.raises(TrustListError):
            verify_trust_list(offered, generate.ROOTS)


def test_sig_structure_of_the_published_cose_sign_is_the_published_one() -> None:
    """What one of several signers signs is built as RFC 9052 says."""
    example = read_json("cose/eddsa-examples/eddsa-01.json")
    expected = bytes.fromhex(example["intermediates"]["signers"][0]["ToBeSign_hex"])
    content = example["input"]["plaintext"].encode()
    assert sig_structure(bytes.fromhex("a10300"), bytes.fromhex("a10127"), content) == expected


def test_payload_and_roots_come_back_as_they_were() -> None:
    """Lists and roots survive their encoding, and each has one."""
    assert decode_trust_list(generate.PAYLOAD) == generate.LIST
    assert verify_trust_list(generate.GOOD, generate.ROOTS) == generate.LIST
    assert decode_roots(encode_roots(generate.ROOTS)) == generate.ROOTS
    for length in range(len(encode_roots(generate.ROOTS))):
        with pytest.raises(TrustListFormatError):
            decode_roots(encode_roots(generate.ROOTS)[:length])


@settings(deadline=None)
@given(st.permutations(range(5)), st.permutations(range(4)))
def test_order_of_construction_leaves_no_trace(roots: list[int], issuers: list[int]) -> None:
    """However roots and issuers are given, the list and its bytes are the same."""
    trust = replace(
        generate.LIST,
        roots=replace(generate.ROOTS, keys=tuple(generate.ROOTS.keys[i] for i in roots)),
        issuers=tuple(generate.LIST.issuers[i] for i in issuers),
        policies=generate.POLICIES[:: -1 if issuers[0] else 1],
    )
    assert trust == generate.LIST
    assert encode_trust_list(trust) == generate.PAYLOAD


def test_find_gives_issuer_and_key_of_a_kid() -> None:
    """Each listed key is found with its issuer, and no other kid is."""
    for issuer in generate.LIST.issuers:
        for key in issuer.keys:
            assert generate.LIST.find(key.kid) == (issuer, key)
    assert generate.LIST.find(generate.STRANGER.kid) is None
    assert generate.LIST.find(generate.ROOT_SIGNERS[0].kid) is None


@pytest.mark.parametrize(
    ("number", "region"),
    [(999, None), (1000, "610000"), (1999, "610000"), (2000, "230000"), (2999, "230000"),
     (3000, None)],
)  # fmt: skip
def test_owner_of_a_list_number_is_the_issuer_of_its_range(number: int, region: str | None) -> None:
    """Ranges hold both their ends, and what nobody owns has no owner."""
    owner = generate.LIST.owner_of(number)
    assert (owner and owner.region) == region
    assert generate.LIST.issuer("610000") == generate.SHAANXI
    assert generate.LIST.issuer("110000") is None


def test_list_of_4097_keys_is_refused_and_of_4096_is_not() -> None:
    """C78: the number of keys is bounded."""
    keys = tuple(
        ListedKey(SeedSigner(i.to_bytes(32)).public_key, Purpose.CODE, 0, 1)
        for i in range(MAX_KEYS + 1)
    )
    full = replace(generate.LIST, issuers=(replace(generate.SHAANXI, keys=keys[:-1]),))
    assert verify_trust_list(generate.signed(full), generate.ROOTS) == full
    with pytest.raises(TrustListKeyError, match="4097 keys"):
        replace(full, issuers=(replace(generate.SHAANXI, keys=keys),))


def test_list_larger_than_a_mebibyte_is_refused_unread() -> None:
    """C77: size comes before everything."""
    with pytest.raises(TrustListFormatError, match="at most 1048576 are allowed"):
        verify_trust_list(b"\xd8\x62" + bytes((1 << 20) + 1), generate.ROOTS)


def test_every_quorum_of_the_roots_is_enough_and_no_smaller_set() -> None:
    """All 32 subsets of five roots: three or more sign a list, two or fewer do not."""
    for chosen in range(32):
        signers = [s for i, s in enumerate(generate.ROOT_SIGNERS) if chosen >> i & 1]
        data = sign_trust_list(generate.PAYLOAD, signers)
        if len(signers) >= 3:
            assert verify_trust_list(data, generate.ROOTS) == generate.LIST
        else:
            with pytest.raises(errors.TrustListQuorumError):
                verify_trust_list(data, generate.ROOTS)


OFFERS = st.lists(
    st.tuples(st.integers(1, 6), st.sets(st.integers(0, 3)), st.booleans()), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(OFFERS)
def test_whatever_is_offered_versions_never_fall_and_withdrawals_never_shrink(
    offers: list[tuple[int, set[int], bool]],
) -> None:
    """Over any sequence of genuine lists, in any order, what was withdrawn stays withdrawn."""
    held: TrustList | None = None
    for version, withdrawn, one_issuer in offers:
        offered = replace(
            generate.LIST,
            version=version,
            issuers=generate.LIST.issuers[: 1 if one_issuer else 2],
            withdrawn=frozenset(bytes([0, 0, 0, number]) for number in withdrawn),
        )
        before = held
        try:
            held = accept_trust_list(
                held, generate.signed(offered), roots=generate.ROOTS, now=generate.NOW
            )
        except TrustListError:
            assert held == before
        if before is not None and held is not None:
            assert held.version >= before.version
            assert held.withdrawn >= before.withdrawn
            assert held.version > before.version or held == before


ENDINGS = st.sampled_from([None, generate.YANAN.ending, Ending("610000", 1, generate.NOW + 1)])
LATER = st.lists(
    st.tuples(st.booleans(), st.integers(1, 4), ENDINGS, st.integers(0, 3), st.integers(0, 1)),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(LATER)
def test_whatever_is_offered_endings_stay_and_pins_rise_within_an_epoch(
    offers: list[tuple[bool, int, Ending | None, int, int]],
) -> None:
    """Over any sequence of genuine lists nobody who ended lives again and no rule comes back,
    unless the epoch rises."""
    held: TrustList | None = None
    for rises, version, ending, pinned, digest in offers:
        epoch = (1 if held is None else held.roots.epoch) + rises
        offered = replace(
            generate.LIST,
            version=version,
            roots=replace(generate.ROOTS, epoch=epoch),
            issuers=(generate.SHAANXI, replace(generate.YANAN, keys=(), ending=ending)),
            policies=(PinnedPolicy("rules", pinned, bytes([digest]) * 32),) if pinned else (),
        )
        before = held
        try:
            held = accept_trust_list(
                held, generate.signed(offered), roots=generate.ROOTS, now=generate.NOW
            )
        except TrustListError:
            continue
        if before is None or before.roots.epoch < held.roots.epoch:
            continue
        city, earlier = held.issuer("610600"), before.issuer("610600")
        assert city is not None
        assert earlier is not None
        assert earlier.ending in (None, city.ending)
        for pin in before.policies:
            now_pinned = held.pinned(pin.name)
            assert now_pinned is not None
            assert now_pinned == pin or now_pinned.version > pin.version


@pytest.mark.parametrize(
    "change",
    [{"status_base": "https://h.example"}, {"status_base": "https://h.example/s?q/"},
     {"status_base": "https://H.example/"}, {"contact": ""}, {"contact": "x" * 129},
     {"region": "٦١٠٠٠٠"}],
    ids=lambda change: str(*change.values())[:20],
)  # fmt: skip
def test_issuer_with_a_text_that_is_not_ours_is_refused(change: dict[str, str]) -> None:
    """Addresses have one spelling, texts are short and printable, digits are ASCII."""
    with pytest.raises(TrustListError):
        replace(generate.LIST, issuers=(replace(generate.SHAANXI, **change),))  # type: ignore[arg-type]


def test_messages_name_sizes_and_kids_and_no_keys() -> None:
    """A refusal can be logged: no message is longer than a line, none holds a public key."""
    for vector in generate.vectors():
        try:
            accept_trust_list(None, vector.data, roots=vector.roots, now=vector.now)
        except TrustListError as error:
            text = str(error)
            assert text.isprintable()
            assert len(text) < 120
            assert not any(key.hex() in text for key in generate.ROOTS.keys)


def test_test_roots_and_production_roots_of_the_same_keys_differ() -> None:
    """The environment is part of what a verifier trusts (C47)."""
    test = replace(generate.ROOTS, environment=Environment.TEST)
    assert encode_roots(test) != encode_roots(generate.ROOTS)
    with pytest.raises(errors.TrustListEnvironmentError):
        verify_trust_list(generate.GOOD, test)


def test_full_list_of_34_issuers_fits() -> None:
    """34 issuers with 90 keys each, signed by five roots, fit into a quarter of the limit."""
    numbers = iter(range(34 * 90))
    issuers = tuple(
        ListedIssuer(
            region=f"{region:02}0000",
            name_zh="省",
            name_en="Province",
            status_base=f"https://r{region}.example/status/",
            first_list=region * 1_000,
            last_list=region * 1_000 + 999,
            contact="office",
            keys=tuple(
                ListedKey(SeedSigner(next(numbers).to_bytes(32)).public_key, Purpose.CODE, 0, 1)
                for _ in range(90)
            ),
        )
        for region in range(11, 45)
    )
    data = generate.signed(replace(generate.LIST, issuers=issuers), generate.ROOT_SIGNERS)
    assert len(verify_trust_list(data, generate.ROOTS).issuers) == 34
    assert len(data) < 1 << 18


def test_roots_that_cannot_sign_are_refused() -> None:
    """No epoch 0, no root twice, no more than 16 roots, no two roots with one kid."""
    key = generate.ROOTS.keys[0]
    twins = tuple(signer.public_key for signer in generate.TWINS)
    many = tuple(SeedSigner(bytes([i]) * 32).public_key for i in range(17))
    for epoch, threshold, keys in ((0, 1, (key,)), (1, 1, (key, key)), (1, 1, many), (1, 1, twins)):
        with pytest.raises(TrustListError):
            Roots(epoch, threshold, keys, Environment.TEST)


def test_merge_of_parts_of_different_lists_is_refused() -> None:
    """Signatures over two lists make none; neither do two signatures of one signer."""
    part = sign_trust_list(generate.PAYLOAD, generate.ROOT_SIGNERS[:1])
    with pytest.raises(errors.TrustListSignerError, match="different lists"):
        merge_envelopes([part, generate.HELD])
    forged = Signature(generate.ROOT_SIGNERS[0].kid, bytes(64))
    with pytest.raises(errors.TrustListSignerError, match="two different signatures"):
        merge_envelopes([part, encode_envelope(generate.PAYLOAD, [forged])])
    assert merge_envelopes([part, part]) == part


@settings(deadline=None)
@given(st.permutations(range(5)))
def test_merge_gives_the_same_list_in_whatever_order_the_parts_come(order: list[int]) -> None:
    """The ceremony has no first and no last signer."""
    parts = [sign_trust_list(generate.PAYLOAD, [generate.ROOT_SIGNERS[i]]) for i in order]
    assert merge_envelopes(parts) == sign_trust_list(generate.PAYLOAD, generate.ROOT_SIGNERS)


def test_roots_in_another_order_or_with_something_else_in_them_are_refused() -> None:
    """A file of roots has one encoding, and holds keys and nothing else."""
    first, *others = generate.ROOTS.keys
    for keys in ([*others, first], [first, *others, 7], [first, *others, "key"]):
        with pytest.raises(TrustListFormatError):
            decode_roots(cbor.encode({1: 1, 2: 3, 3: "production", 4: keys}))
