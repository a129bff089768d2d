"""CBOR diagnostic notation (RFC 8949 §8) of our values, as the specs print it."""

from collections.abc import Mapping, Sequence

__all__ = ["diagnostic"]

_WIDTH = 120


def diagnostic(value: object, *, indent: int = 0) -> str:
    """The value on one line where it fits, else one member a line."""
    flat = _flat(value)
    if len(flat) + indent <= _WIDTH:
        return flat
    match value:
        case Mapping():
            items = [
                f"{_flat(key)}: {diagnostic(item, indent=indent + 2)}"
                for key, item in value.items()
            ]
            return _lines("{", items, "}", indent)
        case list() | tuple():
            return _lines("[", [diagnostic(item, indent=indent + 2) for item in value], "]", indent)
        case _:
            return flat


def _lines(opening: str, items: Sequence[str], closing: str, indent: int) -> str:
    pad = " " * indent
    inner = ",\n".join(f"{pad}  {item}" for item in items)
    return f"{opening}\n{inner}\n{pad}{closing}"


def _flat(value: object) -> str:
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case int():
            return str(value)
        case str():
            return f'"{value}"'
        case bytes():
            return f"h'{value.hex()}'"
        case Mapping():
            return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_flat, value)) + "]"
        case _:
            raise TypeError(f"{type(value).__name__} has no notation here")
