"""Base45: both directions, for every group that exists."""

from pathlib import Path
from typing import Any

import base45 as peer  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared_vectors import read_json
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.generate_encodings import base45_cases
from tests.vectors.ours import answer
from verifier import base45
from verifier.errors import TransportError

RFC9285: dict[str, list[dict[str, Any]]] = read_json("base45/rfc9285.json")
ALPHABET = base45.ALPHABET.decode()


@pytest.mark.parametrize("vector", RFC9285["roundtrip"], ids=lambda v: v["base45"] or "empty")
def test_base45_published_round_trip_is_exact(vector: dict[str, str]) -> None:
    """The RFC's examples are reproduced in both directions."""
    data = bytes.fromhex(vector["hex"])
    assert base45.encode(data) == vector["base45"]
    assert base45.decode(vector["base45"]) == data


@pytest.mark.parametrize("case", case_folders("base45"), ids=lambda case: case.name)
def test_base45_case_has_the_stated_answer(case: Path) -> None:
    """What the RFC and its edge cases call invalid is refused, and its examples are exact."""
    assert answer(case) == expected(case)


def test_base45_cases_are_what_the_generator_makes() -> None:
    """The files can be made again, byte for byte."""
    assert found("base45") == files(base45_cases())


def test_base45_every_pair_of_bytes_is_encoded_as_the_peer_does() -> None:
    """All 65,536 pairs, side by side in one long text: no lane reaches the next."""
    data = b"".join(number.to_bytes(2) for number in range(2**16))
    text = base45.encode(data)
    assert text == peer.b45encode(data).decode()
    assert base45.decode(text) == data


def test_base45_every_group_is_decoded_or_refused_by_the_formula() -> None:
    """All 91,125 groups of three characters: those above 65,535 are refused, the rest are exact."""
    for e, last in enumerate(ALPHABET):
        for d, middle in enumerate(ALPHABET):
            for c, first in enumerate(ALPHABET):
                number = c + 45 * d + 2025 * e
                text = first + middle + last
                if number < 2**16:
                    assert base45.decode(text) == number.to_bytes(2)
                else:
                    with pytest.raises(TransportError):
                        base45.decode(text)


def test_base45_every_last_pair_is_decoded_or_refused_by_the_formula() -> None:
    """All 2,025 pairs of characters: those above 255 are refused, the rest are exact."""
    for d, second in enumerate(ALPHABET):
        for c, first in enumerate(ALPHABET):
            if c + 45 * d < 2**8:
                assert base45.decode(first + second) == bytes((c + 45 * d,))
            else:
                with pytest.raises(TransportError):
                    base45.decode(first + second)


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("length", [2, 3, 5, 6, 8])
def test_base45_any_other_character_in_any_place_is_refused(place: int, length: int) -> None:
    """Every octet outside the alphabet, and characters beyond ASCII, in each place of a text."""
    if place >= length:
        return
    strangers = {chr(code) for code in range(256)} - set(ALPHABET) | {"\u0661", "\uff1a", "\ud800"}
    for stranger in strangers:
        text = "0" * place + stranger + "0" * (length - place - 1)
        with pytest.raises(TransportError):
            base45.decode(text)


@given(st.binary(max_size=400))
def test_base45_round_trip_gives_the_bytes_and_the_peers_text(data: bytes) -> None:
    """decode(encode(x)) is x, and the text is the one that PyPI's base45 makes."""
    text = base45.encode(data)
    assert base45.decode(text) == data
    assert text == peer.b45encode(data).decode()


@given(st.text(alphabet=ALPHABET, max_size=60))
def test_base45_any_accepted_text_is_the_one_text_of_its_bytes(text: str) -> None:
    """A text is refused, by us and by the peer, or encoding its bytes gives it back."""
    try:
        data = base45.decode(text)
    except TransportError:
        with pytest.raises(ValueError, match="base45"):
            peer.b45decode(text.encode())
    else:
        assert base45.encode(data) == text
        assert peer.b45decode(text.encode()) == data
