"""Our lean dataclass held against the standard one: whatever one does, the other does."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from keys import dataclasses as lean
from keys.trustlist import Roots, TrustList
from tests.code_support import World
from verifier.claims import Claims, Colour, Cti

lean_dataclass: Any = vars(lean)["dataclass"]
lean_field: Any = vars(lean)["field"]


def define(decorate: Any, field: Any) -> type[Any]:  # noqa: ANN401 - either of the two
    class Point:
        """Somewhere."""

        x: int
        name: str = field(repr=False)
        y: int = 7
        note: str = field(default="-", compare=False)
        size: int = field(init=False)

        def __post_init__(self) -> None:
            if self.x < 0:
                raise ValueError("below zero")
            object.__setattr__(self, "size", self.x * self.y)

        @property
        def double(self) -> int:
            return 2 * self.x

    made: type[Any] = decorate(frozen=True, slots=True)(Point)
    return made


OURS = define(lean_dataclass, lean_field)
THEIRS = define(dataclasses.dataclass, dataclasses.field)


def outcome(action: Callable[[type[Any]], object], cls: type[Any]) -> object:
    """What *action* gives, or which error."""
    try:
        return action(cls)
    except Exception as error:  # noqa: BLE001 - whichever it is, both must raise it
        return type(error)


ACTIONS: dict[str, Callable[[type[Any]], object]] = {
    "repr": lambda c: repr(c(1, "a")),
    "read": lambda c: (c(1, "a").x, c(1, "a").size, c(2, name="b", y=3).double, c(1, "a").note),
    "equal": lambda c: [
        c(1, "a") == c(1, "a", note="other"), c(1, "a") == c(1, "b"), c(1, "a") == (1, "a", 7),
        c(1, "a") != c(1, "a"),
    ],
    "hash": lambda c: len({c(1, "a"), c(1, "a", note="z"), c(1, "b"), c(2, "a")}),
    "hash of what has none": lambda c: hash(c([], "a")),
    "missing": lambda c: c(1),
    "too many": lambda c: c(1, "a", 2, "-", 5, 6),
    "unknown": lambda c: c(1, "a", z=1),
    "not an argument": lambda c: c(1, "a", size=1),
    "post init": lambda c: c(-1, "a"),
    "assign": lambda c: setattr(c(1, "a"), "x", 2),
    "delete": lambda c: delattr(c(1, "a"), "x"),
    "slots": lambda c: (c.__slots__, hasattr(c(1, "a"), "__dict__")),
    "doc": lambda c: (c.__doc__, c.__name__, c.__qualname__, c.__module__),
    "match": lambda c: c.__match_args__,
    "replace": lambda c: repr(dataclasses.replace(c(1, "a"), y=9)),
    "replace unknown": lambda c: dataclasses.replace(c(1, "a"), z=9),
    "replace what is computed": lambda c: dataclasses.replace(c(1, "a"), size=9),
    "is dataclass": lambda c: (dataclasses.is_dataclass(c), dataclasses.is_dataclass(c(1, "a"))),
    "fields": lambda c: [
        (f.name, f.init, f.repr, f.compare, f.default == 7) for f in dataclasses.fields(c)
    ],
    "asdict": lambda c: dataclasses.asdict(c(1, "a")),
    "copy": lambda c: copy.copy(c(1, "a")) == c(1, "a"),
    "deepcopy": lambda c: copy.deepcopy(c(1, "a")) == c(1, "a"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIONS)
def test_lean_dataclass_does_what_the_standard_one_does(name: str) -> None:
    """One definition made by both gives the same values and the same errors."""
    ours, theirs = (outcome(ACTIONS[name], cls) for cls in (OURS, THEIRS))
    assert ours == theirs


@pytest.mark.parametrize(
    "wrong", [{"frozen": False, "slots": True}, {"frozen": True, "slots": False}]
)
def test_lean_dataclass_that_could_change_is_refused(wrong: dict[str, bool]) -> None:
    """The one kind that the house allows is the one kind there is."""
    with pytest.raises(TypeError, match="frozen"):
        lean_dataclass(**wrong)


def test_lean_dataclass_that_inherits_is_refused() -> None:
    """Fields of a base would be lost, so there is none."""

    class Child(OURS):  # type: ignore[misc, valid-type] # a class made at run time
        z: int

    with pytest.raises(TypeError, match="inherit"):
        lean_dataclass(frozen=True, slots=True)(Child)


def test_values_of_the_house_survive_pickling_and_replacing() -> None:
    """Lists and claims go to other processes, and tests change one part of them."""
    trust = World().trust
    again: TrustList = pickle.loads(pickle.dumps(trust))  # noqa: S301 - our own bytes
    assert again == trust
    assert again.find(trust.issuers[0].keys[0].kid) is not None
    assert dataclasses.replace(trust, version=9).version == 9
    assert isinstance(trust.roots, Roots)
    claims = Claims(3600 * 1000, Cti(1, 2), Colour.GREEN)
    assert dataclasses.replace(claims, colour=Colour.RED).cti == claims.cti
    with pytest.raises(TypeError):
        TrustList(1, 2, 3)  # type: ignore[call-arg] # by keyword only
