"""Deterministic CBOR (RFC 8949 §4.2.1), both ways. Pure.

cbor2 does the coding; this module closes what it leaves open. By itself cbor2 accepts trailing
bytes, long integers, unsorted keys and tags that compile regular expressions, and its
`canonical=True` sorts by the older, length-first rule of RFC 7049.

Health codes do not come through here: `verifier.claims` decodes its one profile by hand.
"""

from collections.abc import Mapping
from typing import Final, NoReturn, TypeAlias

import cbor2

from keys.errors import CborError

__all__ = ["MAX_INT", "Value", "decode", "encode"]

Value: TypeAlias = "int | str | bytes | bool | list[Value] | dict[int | str, Value] | None"

#: Integers beyond 53 bits do not survive a JavaScript verifier.
MAX_INT: Final = 2**53 - 1
_MAX_DEPTH: Final = 8


def encode(value: object) -> bytes:
    """Encode ints, text, bytes, bools, None, sequences and maps with int or text keys.

    Raises:
        TypeError: Some part of *value* is of another type. That is a bug of the caller.
        ValueError: An integer does not fit 53 bits, text is not Unicode, or the depth is beyond 8.

    Source: RFC 8949 §4.2.1: shortest heads, definite lengths, keys in bytewise order.
    """
    return cbor2.dumps(_normal(value, _MAX_DEPTH, ordered=True))


def decode(data: bytes, *, max_bytes: int, ordered: bool = True) -> Value:
    """Decode the one encoding of an allowed value; anything else is refused.

    Args:
        data: The whole item, not one byte more.
        max_bytes: Refused before decoding beyond this.
        ordered: False accepts map keys in any order, for lists that others signed as they
            stand. Everything else stays strict.

    Raises:
        CborError: Too long, not well-formed, not shortest, unsorted, a duplicate key, a tag, a
            float, an integer beyond 53 bits, a depth beyond 8, or trailing bytes.
    """
    if len(data) > max_bytes:
        raise CborError(f"{len(data)} bytes, at most {max_bytes} are allowed")
    try:
        value: Value = cbor2.loads(
            data,
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=_MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        # cbor2 ignores what follows the item and how long the heads were; encoding again does not.
        again = cbor2.dumps(_normal(value, _MAX_DEPTH, ordered=ordered))
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CborError(f"not deterministic CBOR: {type(error).__name__}") from error
    if again != data:
        raise CborError("not the one deterministic encoding of its value")
    return value


def _normal(value: object, depth: int, *, ordered: bool) -> object:
    """The value with its map keys in order, or TypeError/ValueError where a part is not allowed.

    *depth* is how many more containers may be opened.
    """
    match value:
        case None | bool() | str() | bytes():
            return value
        case int():
            if not -MAX_INT <= value <= MAX_INT:
                raise ValueError("integer beyond 53 bits")
            return value
        case list() | tuple():
            inside = _inside(depth)
            return [_normal(item, inside, ordered=ordered) for item in value]
        case Mapping():
            inside = _inside(depth)
            items = [
                (_map_key(key), _normal(item, inside, ordered=ordered))
                for key, item in value.items()
            ]
            return dict(sorted(items, key=_encoded_key) if ordered else items)
        case _:
            raise TypeError(f"{type(value).__name__} is not allowed in our CBOR")


def _inside(depth: int) -> int:
    if depth == 0:
        raise ValueError(f"more than {_MAX_DEPTH} containers inside each other")
    return depth - 1


def _map_key(key: object) -> int | str:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise TypeError(f"{type(key).__name__} is not allowed as a map key")
    _normal(key, 0, ordered=True)
    return key


def _encoded_key(item: tuple[int | str, object]) -> bytes:
    return cbor2.dumps(item[0])


def _refuse_tag(*_: object, **__: object) -> NoReturn:
    raise ValueError("a CBOR tag")


# cbor2 decodes these tags itself, before any tag_hook: dates, bignums, shared values, regular
# expressions (35), mail (36), sets. All other tags reach the hook.
_REFUSED_TAGS: Final = dict.fromkeys(
    [*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799],
    _refuse_tag,
)
