"""keys.cbor: one encoding for each value, and nothing else decodes (bad input C14 to C34)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import cbor
from keys.cbor import MAX_INT
from keys.errors import CborError
from tests.shared_vectors import read_json
from tests.vectors.cases import case_folders, expected, files, found
from tests.vectors.generate_encodings import DEFECTS, cbor_cases
from tests.vectors.ours import answer

APPENDIX_A: list[dict[str, Any]] = read_json("cbor-appendix-a/appendix_a.json")
CDE: dict[str, Any] = read_json("cbor-deterministic/cde_examples.json")
MAP_ORDER: dict[str, Any] = read_json("cbor-deterministic/rfc8949_map_order.json")

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INT, MAX_INT)
    | st.binary(max_size=40)
    | st.text(max_size=40)
)
KEYS = st.integers(-MAX_INT, MAX_INT) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
).filter(lambda value: _depth(value) <= 8)


def _hex(item: dict[str, Any]) -> str:
    return str(item["hex"])[:60]


def _depth(value: object) -> int:
    match value:
        case list():
            return 1 + max(map(_depth, value), default=0)
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case _:
            return 0


def _has_type_of_ours(item: dict[str, Any]) -> bool:
    """Whether an item of the appendix is an integer of 53 bits, text, bytes, bool, None, or made
    of these: tags, floats and other simple values are not."""
    first = int(item["hex"][:2], 16)
    if first >> 5 in (6, 7):
        return first in (0xF4, 0xF5, 0xF6)
    return item["hex"] not in ("1bffffffffffffffff", "3bffffffffffffffff")


def refused(data: bytes, **options: bool) -> None:
    with pytest.raises(CborError):
        cbor.decode(data, max_bytes=1 << 20, **options)


@pytest.mark.parametrize("item", APPENDIX_A, ids=_hex)
def test_decode_appendix_a_accepts_exactly_the_preferred_items_of_our_types(
    item: dict[str, Any],
) -> None:
    """Every item of RFC 8949 appendix A decodes and encodes again to its bytes, or is refused
    because it is not the shortest or not of a type we use."""
    data = bytes.fromhex(item["hex"])
    if item["roundtrip"] and _has_type_of_ours(item):
        value = cbor.decode(data, max_bytes=200)
        assert cbor.encode(value) == data
        if "decoded" in item:
            assert value == item["decoded"]
    else:
        refused(data)


@pytest.mark.parametrize("item", CDE["good"], ids=_hex)
def test_encode_cde_integers_give_the_published_bytes(item: dict[str, Any]) -> None:
    """The published shortest encodings of integers of 53 bits are ours; other types are refused."""
    data = bytes.fromhex(item["hex"])
    if item["kind"] == "int" and abs(int(item["diagnostic"])) <= MAX_INT:
        assert cbor.encode(int(item["diagnostic"])) == data
        assert cbor.decode(data, max_bytes=16) == int(item["diagnostic"])
    elif item["kind"] in ("int", "flt"):
        refused(data)


@pytest.mark.parametrize("item", CDE["bad"], ids=_hex)
def test_decode_cde_bad_examples_are_refused(item: dict[str, Any]) -> None:
    """Every published encoding that is not deterministic is refused."""
    refused(bytes.fromhex(item["hex"]))


def test_encode_map_keys_stand_in_the_bytewise_order_of_4_2_1() -> None:
    """Of RFC 8949's worked example, the keys of our types stand in the order of §4.2.1."""
    ours = [10, 100, -1, "z", "aa"]
    encoded = cbor.encode(dict.fromkeys(reversed(ours), 0))
    assert encoded.hex() == "a5" + "".join(cbor.encode(key).hex() + "00" for key in ours)
    assert encoded.hex()[2:] in MAP_ORDER["map_hex_4_2_1"]
    refused(bytes.fromhex("a50a00200018640061" + "7a0062616100"))


def test_decode_either_published_map_order_with_other_key_types_is_refused() -> None:
    """Maps with arrays or booleans as keys are refused in any order (C32)."""
    refused(bytes.fromhex(MAP_ORDER["map_hex_4_2_1"]))
    refused(bytes.fromhex(MAP_ORDER["map_hex_4_2_3"]))


@given(VALUES)
def test_decode_of_encode_gives_the_value_back(value: Any) -> None:  # noqa: ANN401
    """Every value survives, and its encoding is the only one."""
    data = cbor.encode(value)
    assert cbor.decode(data, max_bytes=len(data)) == value


@given(st.binary(max_size=64))
def test_decode_of_any_bytes_is_refused_or_encodes_to_the_same(data: bytes) -> None:
    """No two byte strings decode to the same value, and nothing but CborError comes out."""
    try:
        value = cbor.decode(data, max_bytes=64)
    except CborError:
        return
    assert cbor.encode(value) == data


@pytest.mark.parametrize("data", DEFECTS.values(), ids=DEFECTS.keys())
@pytest.mark.parametrize("ordered", [True, False])
def test_decode_one_defect_is_refused(data: str, *, ordered: bool) -> None:
    """Each defect is refused; only the order of keys can be waived."""
    if data == DEFECTS["C20-unsorted-keys"] and not ordered:
        assert cbor.decode(bytes.fromhex(data), max_bytes=8, ordered=False) == {2: 0, 1: 0}
    else:
        refused(bytes.fromhex(data), ordered=ordered)


@pytest.mark.parametrize("case", case_folders("cbor"), ids=lambda case: case.name)
def test_decode_case_has_the_stated_answer(case: Path) -> None:
    """Every item in tests/vectors/cbor is of the profile, or not, as its folder says."""
    assert answer(case) == expected(case)


def test_cbor_cases_are_what_the_generator_makes() -> None:
    """The files can be made again, byte for byte."""
    assert found("cbor") == files(cbor_cases())


def test_decode_every_tag_number_is_refused() -> None:
    """No tag is allowed, known to the library or not, whatever stands in it."""
    for content in (b"\x00", b"\x61a", b"\x80"):
        for tag in range(1 << 16):
            with pytest.raises(CborError):
                cbor.decode(_tag_head(tag) + content, max_bytes=8)


def _tag_head(tag: int) -> bytes:
    if tag < 24:
        return bytes((0xC0 | tag,))
    return b"\xd8" + bytes((tag,)) if tag < 256 else b"\xd9" + tag.to_bytes(2)


def test_decode_8000_colliding_keys_is_refused_by_size() -> None:
    """A map large enough to be slow is refused before it is decoded (C33)."""
    data = b"\xb9\x1f\x40" + b"".join(b"\xc2\x48" + key.to_bytes(8) + b"\0" for key in range(8000))
    with pytest.raises(CborError, match="at most 65536 are allowed"):
        cbor.decode(data, max_bytes=1 << 16)


def test_decode_truncated_at_every_byte_is_refused() -> None:
    """No beginning of an item is an item (C34)."""
    data = cbor.encode({1: [b"abc", "def", None, True], 2: -70_000, "x": {3: []}})
    for length in range(len(data)):
        refused(data[:length])


@pytest.mark.parametrize("value", [1.0, b"x".__iter__(), {1.0: 0}, {True: 0}, {None: 0}, {b"": 0}])
def test_encode_a_type_that_is_not_ours_is_a_type_error(value: object) -> None:
    """The encoder writes nothing that the decoder would refuse."""
    with pytest.raises(TypeError, match="not allowed"):
        cbor.encode(value)


@pytest.mark.parametrize("value", [MAX_INT + 1, -MAX_INT - 1, {MAX_INT + 1: 0}, "\ud800"])
def test_encode_a_value_out_of_range_is_a_value_error(value: object) -> None:
    """Integers beyond 53 bits and lone surrogates are not written."""
    with pytest.raises(ValueError, match=r"53 bits|surrogates"):
        cbor.encode(value)


@pytest.mark.parametrize(
    "wrap", [lambda value: [value], lambda value: {0: value}], ids=["array", "map"]
)
def test_encode_depth_ends_where_decode_ends(wrap: Any) -> None:  # noqa: ANN401
    """Eight containers inside each other pass both ways, nine neither."""
    value = 0
    for _ in range(8):
        value = wrap(value)
    assert cbor.decode(cbor.encode(value), max_bytes=64) == value
    with pytest.raises(ValueError, match="more than 8"):
        cbor.encode(wrap(value))
