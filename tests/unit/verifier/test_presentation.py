"""Presentations: the code inside, the holder's signature around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.cose import parse_sign1, sign_sign1, verify_sign1
from keys.errors import SignatureError
from keys.kid import kid
from tests.cbor_support import SMALL_ORDER, envelope, head, protected
from tests.code_support import NOW, paper_code, phone_code, signer
from verifier.claims import MAX_EXP, MIN_EXP, parse_code
from verifier.errors import PresentationError
from verifier.presentation import (
    PRESENTATION_BYTES,
    parse_presentation,
    sign_presentation,
    verify_presentation,
)

CODE = phone_code()
HOLDER = signer("holder")


@given(st.integers(MIN_EXP, MAX_EXP))
def test_presentation_round_trip_gives_time_and_code(now: int) -> None:
    """What the phone signs is what is read, and it verifies."""
    data = sign_presentation(CODE, HOLDER, now=now)
    parsed = parse_presentation(data)
    verify_presentation(parsed)
    assert len(data) == PRESENTATION_BYTES
    assert (parsed.time, parsed.code) == (now, parse_code(CODE))


def test_presentation_is_what_the_general_modules_make() -> None:
    """The template and the general COSE module give the same bytes."""
    payload = b"\x82\x1a" + NOW.to_bytes(4) + head(2, len(CODE)) + CODE
    data = sign_presentation(CODE, HOLDER, now=NOW)
    assert data == sign_sign1(payload, HOLDER, typ=None)
    sign1 = parse_sign1(data, typ=None, max_bytes=PRESENTATION_BYTES)
    assert verify_sign1(sign1, HOLDER.public_key) == payload


def test_presentation_of_another_phones_code_is_a_wrong_call() -> None:
    """A phone cannot present a code that names another key, nor a paper code."""
    with pytest.raises(ValueError, match="holder key"):
        sign_presentation(CODE, signer("another"), now=NOW)
    with pytest.raises(ValueError, match="holder key"):
        sign_presentation(paper_code(), HOLDER, now=NOW)


@pytest.mark.parametrize("now", [MIN_EXP - 1, MAX_EXP + 1, -1])
def test_presentation_time_that_has_not_four_bytes_is_a_wrong_call(now: int) -> None:
    """The time is written in four bytes."""
    with pytest.raises(ValueError, match="four bytes"):
        sign_presentation(CODE, HOLDER, now=now)


@pytest.mark.parametrize("length", [0, 144, 232, 234])
def test_presentation_of_another_length_is_refused(length: int) -> None:
    """There is one length."""
    with pytest.raises(PresentationError, match="bytes"):
        parse_presentation(bytes(length))


@pytest.mark.parametrize("key", SMALL_ORDER)
@pytest.mark.parametrize("r", SMALL_ORDER)
def test_presentation_by_a_holder_key_of_small_order_is_refused(key: bytes, r: bytes) -> None:
    """None of the 8 x 8 signatures that hold for everybody's message is accepted."""
    changed = CODE[:40] + key + CODE[72:]
    assert parse_code(changed).holder_key == key
    from_anybody = sign_presentation(CODE, HOLDER, now=NOW)
    payload = from_anybody[15:-66].replace(CODE, changed)
    forged = envelope(protected(kid(key)), b"\xa0", payload, r + bytes(32))
    with pytest.raises(SignatureError, match="does not verify"):
        verify_presentation(parse_presentation(forged))
