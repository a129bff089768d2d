"""`@dataclass(frozen=True, slots=True)`, at a fifth of the price of a cold start. Pure.

A door starts the verifier for one code while somebody waits. The standard module imports `inspect`
and compiles six functions for each class, which was a third of that start. Classes made here have
one compiled function and share the others; all else is as in the standard module, which is loaded
when somebody asks for it: `dataclasses.replace`, `fields` and `is_dataclass` work, and to a type
checker this is the standard decorator. `tests/unit/keys/test_keys_dataclasses.py` holds the two
against each other.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

__all__ = ["dataclass", "field"]

T = TypeVar("T")
_REQUIRED: Final = object()


class _Field:
    """What is said about a field beside its type."""

    __slots__ = ("compare", "default", "init", "repr")

    def __init__(
        self,
        *,
        default: object = _REQUIRED,
        init: bool = True,
        repr: bool = True,  # noqa: A002 - named as in the standard module
        compare: bool = True,
    ) -> None:
        self.default = default
        self.init = init
        self.repr = repr
        self.compare = compare


def _dataclass(
    *, frozen: bool, slots: bool, kw_only: bool = False
) -> Callable[[type[Any]], type[Any]]:
    if not (frozen and slots):
        raise TypeError("classes made here are frozen and have slots")

    def build(cls: type[Any]) -> type[Any]:
        if cls.__bases__ != (object,):
            raise TypeError("classes made here inherit from nothing")
        return _build(cls, kw_only=kw_only)

    return build


def _build(cls: type[Any], *, kw_only: bool) -> type[Any]:
    """The class again, with slots and the methods of a value."""
    body = {k: v for k, v in vars(cls).items() if k not in ("__dict__", "__weakref__")}
    fields = {name: _field_of(body.pop(name, _REQUIRED)) for name in cls.__annotations__}
    compared = tuple(name for name, each in fields.items() if each.compare)
    body |= {
        "__slots__": tuple(fields),
        "__match_args__": tuple(name for name, each in fields.items() if each.init),
        "__init__": _make_init(fields, kw_only=kw_only, post="__post_init__" in body),
        "__dataclass_fields__": _StandardFields(fields),
        "__setattr__": _refuse_set,
        "__delattr__": _refuse_delete,
        "__getstate__": _get_state,
        "__setstate__": _set_state,
        "_shown": tuple(name for name, each in fields.items() if each.repr),
        "_compared": attrgetter(*compared),
    }
    body.setdefault("__eq__", _equal)
    body.setdefault("__hash__", _hash)
    body.setdefault("__repr__", _repr)
    made = type(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


def _field_of(given: object) -> _Field:
    return given if isinstance(given, _Field) else _Field(default=given)


def _make_init(fields: Mapping[str, _Field], *, kw_only: bool, post: bool) -> object:
    given = {name: each for name, each in fields.items() if each.init}
    scope = {f"default_{name}": each.default for name, each in given.items()}
    arguments = [
        name if each.default is _REQUIRED else f"{name}=default_{name}"
        for name, each in given.items()
    ]
    lines = [f"put(self, {name!r}, {name})" for name in given]
    lines += ["self.__post_init__()"] if post else []
    scope["put"] = object.__setattr__
    star = "*, " if kw_only else ""
    code = f"def __init__(self, {star}{', '.join(arguments)}):\n " + "\n ".join(lines)
    exec(code, scope)  # noqa: S102 - names of fields in our own source
    return scope["__init__"]


def _equal(self: Any, other: Any) -> Any:  # noqa: ANN401 - any class made here
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:  # noqa: ANN401
    return hash(self._compared(self))


def _repr(self: Any) -> str:  # noqa: ANN401
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)
    return f"{self.__class__.__qualname__}({shown})"


def _get_state(self: Any) -> list[object]:  # noqa: ANN401
    return [getattr(self, name) for name in self.__slots__]


def _set_state(self: Any, state: list[object]) -> None:  # noqa: ANN401
    for name, value in zip(self.__slots__, state, strict=True):
        object.__setattr__(self, name, value)


def _refuse_set(self: object, name: str, value: object) -> NoReturn:  # noqa: ARG001 - a method
    from dataclasses import FrozenInstanceError  # noqa: PLC0415 - only for who breaks the rule

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> NoReturn:  # noqa: ARG001 - a method
    from dataclasses import FrozenInstanceError  # noqa: PLC0415

    raise FrozenInstanceError(f"cannot delete field {name!r}")


class _StandardFields:
    """The standard module's description of a class, made when it is asked for."""

    def __init__(self, fields: Mapping[str, _Field]) -> None:
        self._fields = fields

    def __get__(self, instance: object, owner: type[Any]) -> dict[str, Any]:
        import dataclasses  # noqa: PLC0415 - what this module does without

        described = [
            (name, owner.__annotations__[name], self._standard(each))
            for name, each in self._fields.items()
        ]
        made = dataclasses.make_dataclass(owner.__name__, described, kw_only=True)
        fields: dict[str, Any] = vars(made)["__dataclass_fields__"]
        return fields

    @staticmethod
    def _standard(each: _Field) -> Any:  # noqa: ANN401 - dataclasses.field hides its type
        import dataclasses  # noqa: PLC0415

        said: dict[str, Any] = {"init": each.init, "repr": each.repr, "compare": each.compare}
        if each.default is not _REQUIRED:
            said["default"] = each.default
        return dataclasses.field(**said)


if TYPE_CHECKING:
    from dataclasses import dataclass, field
else:
    dataclass, field = _dataclass, _Field
