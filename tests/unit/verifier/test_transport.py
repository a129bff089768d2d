"""The text of a code: one prefix, one alphabet, one length limit, and the sizes as QR codes."""

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from tests.code_support import paper_code, phone_code, presentation
from verifier.errors import TransportError
from verifier.transport import MAX_TEXT_CHARS, PREFIX, decode_text, encode_text


@given(st.binary(max_size=233))
def test_transport_round_trip_gives_the_bytes(data: bytes) -> None:
    """Whatever fits a presentation comes back."""
    assert decode_text(encode_text(data)) == data


def test_transport_text_beyond_the_limit_is_refused_before_it_is_looked_at() -> None:
    """The length is checked first: not even the prefix of a longer text matters."""
    with pytest.raises(TransportError, match="355 characters"):
        decode_text("x" * (MAX_TEXT_CHARS + 1))


def test_transport_bytes_beyond_the_limit_are_a_wrong_call() -> None:
    """Nothing of the profile is longer than a presentation."""
    with pytest.raises(ValueError, match="do not fit"):
        encode_text(bytes(234))


@pytest.mark.parametrize(
    ("text", "characters", "version"),
    [
        (encode_text(paper_code()), 154, 6),
        (presentation(phone_code()), MAX_TEXT_CHARS, 11),
    ],
    ids=["paper", "presentation"],
)
def test_transport_text_fits_the_qr_version_at_level_m(
    text: str, characters: int, version: int
) -> None:
    """A paper code is version 6 and a presentation version 11, both in alphanumeric mode."""
    drawn = segno.make_qr(text, error="m", boost_error=False)
    assert len(text) == characters
    assert drawn.mode == "alphanumeric"
    assert drawn.version == version


def test_transport_one_byte_more_costs_a_version() -> None:
    """100 bytes is the cliff: with 101, paper codes would be version 7."""
    drawn = segno.make_qr(encode_text(bytes(101)), error="m", boost_error=False)
    assert drawn.version == 7


def test_transport_prefix_is_outside_no_alphabet() -> None:
    """The prefix keeps the whole text in alphanumeric mode."""
    assert segno.make_qr(PREFIX).mode == "alphanumeric"
