"""The code in both directions, against the general COSE and CBOR modules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import cbor
from keys.cose import parse_sign1, sign_sign1, verify_sign1
from keys.errors import SignatureError
from tests.code_support import SHAANXI, paper_code, phone_code, signer
from verifier.claims import (
    HOUR_S,
    MAX_EXP,
    MIN_EXP,
    Claims,
    Colour,
    Cti,
    Medium,
    encode_claims,
    parse_code,
    says,
    sign_code,
    verify_code,
)
from verifier.errors import CodeError

HOLDERS = [signer(f"holder {number}").public_key for number in range(4)]
HOURS = st.integers(-(-MIN_EXP // HOUR_S), MAX_EXP // HOUR_S)
CTIS = st.builds(Cti, st.integers(0, 2**20 - 1), st.integers(0, 2**20 - 1))
CLAIMS = st.builds(
    Claims,
    HOURS.map(lambda hour: hour * HOUR_S),
    CTIS,
    st.sampled_from(Colour),
    st.sampled_from([None, *HOLDERS]),
)


@given(CLAIMS)
def test_code_round_trip_gives_the_claims(claims: Claims) -> None:
    """What is signed is what is read, after verification."""
    code = sign_code(claims, SHAANXI.code_signer)
    verified = verify_code(parse_code(code), SHAANXI.code_signer.public_key)
    assert says(verified, claims)
    assert verified.not_before == claims.not_before
    assert len(code) == (100 if claims.medium is Medium.PAPER else 144)


@given(CLAIMS, CLAIMS)
def test_says_other_claims_is_false(claims: Claims, others: Claims) -> None:
    """A code says what it was made for and nothing else."""
    code = sign_code(claims, SHAANXI.code_signer)
    verified = verify_code(parse_code(code), SHAANXI.code_signer.public_key)
    assert says(verified, others) is (others == claims)


@given(CLAIMS)
def test_code_is_what_the_general_modules_make(claims: Claims) -> None:
    """The template and deterministic CBOR by cbor2 give the same bytes, and read the same."""
    members: dict[int, object] = {
        4: claims.exp,
        7: claims.cti.encode(),
        -65537: claims.colour.value,
    }
    if claims.holder_key is not None:
        members[8] = {1: {1: 1, -1: 6, -2: claims.holder_key}}
    payload = cbor.encode(members)
    assert encode_claims(claims) == payload
    code = sign_code(claims, SHAANXI.code_signer)
    assert code == sign_sign1(payload, SHAANXI.code_signer, typ=None)
    sign1 = parse_sign1(code, typ=None, max_bytes=144)
    assert verify_sign1(sign1, SHAANXI.code_signer.public_key) == payload


@pytest.mark.parametrize("code", [paper_code(), phone_code()], ids=["paper", "phone"])
def test_code_parse_holds_the_bytes_as_received(code: bytes) -> None:
    """What is verified is cut from the code, not encoded again."""
    sign1 = parse_sign1(code, typ=None, max_bytes=144)
    parsed = parse_code(code)
    assert parsed.kid == sign1.kid
    assert parsed.signed[:64] == sign1.signature
    assert parsed.signed[64:].endswith(sign1.payload)


def test_code_verify_another_key_is_refused() -> None:
    """A code verifies under its signer's key alone."""
    with pytest.raises(SignatureError):
        verify_code(parse_code(paper_code()), signer("another").public_key)


@pytest.mark.parametrize("length", [0, 1, 99, 101, 143, 145, 233])
def test_code_parse_another_length_is_refused(length: int) -> None:
    """There are two lengths."""
    with pytest.raises(CodeError, match="bytes"):
        parse_code(bytes(length))


@pytest.mark.parametrize("exp", [0, 3600, 64_800, 1_607_832_001, 2**32, -3600])
def test_claims_exp_that_no_code_can_hold_is_a_wrong_call(exp: int) -> None:
    """exp is a whole hour of exactly four bytes."""
    with pytest.raises(ValueError, match="whole hour"):
        Claims(exp, Cti(1, 1), Colour.GREEN)


@pytest.mark.parametrize(("number", "index"), [(-1, 0), (2**20, 0), (0, -1), (0, 2**20)])
def test_cti_out_of_bounds_is_a_wrong_call(number: int, index: int) -> None:
    """Both halves have 20 bits."""
    with pytest.raises(ValueError, match="20 bits"):
        Cti(number, index)


def test_cti_encoding_is_the_two_halves_big_endian() -> None:
    """20 bits of list number, then 20 bits of index."""
    assert Cti(0xABCDE, 0x12345).encode().hex() == "abcde12345"
    assert Cti(1, 1).encode().hex() == "0000100001"


def test_claims_lifetime_follows_from_the_medium() -> None:
    """24 hours on a phone, 7 days on paper."""
    paper = Claims(MAX_EXP // HOUR_S * HOUR_S, Cti(1, 1), Colour.GREEN)
    phone = Claims(paper.exp, paper.cti, paper.colour, HOLDERS[0])
    assert paper.exp - paper.not_before == 7 * 24 * 3600
    assert phone.exp - phone.not_before == 24 * 3600
