"""Places: divisions of GB/T 2260 and named compounds below county level. Pure.

A place is written as text: six digits ("610000" a province, "610100" a city, "610113" a county)
or a county, a dash and a name ("231081-qingyun" a compound). What lies in what is read off the
code. The names come from issuer/regiondata/, which is read once, on first use.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Final

from issuer.errors import UnknownPlaceError

__all__ = [
    "MAX_PLACE_CHARS", "Place", "Regions", "ancestors", "contains", "load_regions",
    "parse_place", "prefix_of",
]  # fmt: skip

CODE_DIGITS: Final = 6
MAX_PLACE_CHARS: Final = 64
_PLACE: Final = re.compile(r"[0-9]{6}(-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A place and what people call it."""

    id: str
    zh: str
    en: str | None


class Regions:
    """All divisions, and the compounds that have a name."""

    __slots__ = ("_places", "divisions")

    def __init__(
        self, divisions: Mapping[str, str], english: Mapping[str, str], compounds: list[Place]
    ) -> None:
        self.divisions: Final = frozenset(divisions)
        places = {code: Place(code, zh, english.get(code)) for code, zh in divisions.items()}
        places |= {compound.id: compound for compound in compounds}
        self._places: Final = MappingProxyType(places)

    def place(self, place: str) -> Place:
        """The place with its names.

        Raises:
            UnknownPlaceError: Neither a division nor a compound with a name.
        """
        found = self._places.get(place)
        if found is None:
            raise UnknownPlaceError("neither a division nor a compound in the region data")
        return found

    def is_place(self, place: str) -> bool:
        """Whether it has a name here."""
        return place in self._places

    def is_division(self, code: str) -> bool:
        return code in self.divisions

    @property
    def places(self) -> tuple[Place, ...]:
        """All that have a name: divisions and compounds."""
        return tuple(self._places.values())

    def parent(self, place: str) -> str | None:
        """The smallest division around *place*; None for a province."""
        return next((code for code in ancestors(place) if code in self.divisions), None)

    def full_name(self, place: str) -> str:
        """The Chinese name from the province down: 黑龙江省牡丹江市绥芬河市青云小区."""
        around = [code for code in reversed(ancestors(place)) if code in self.divisions]
        return "".join(self.place(code).zh for code in (*around, place))


@functools.cache
def prefix_of(outer: str) -> str:
    """What the ids of all places inside this division begin with."""
    code = outer[:CODE_DIGITS]
    return code.removesuffix("00").removesuffix("00") if len(outer) == CODE_DIGITS else outer


def contains(outer: str, place: str) -> bool:
    """Whether *place* is *outer* or lies in it. A compound contains itself alone."""
    if len(outer) > CODE_DIGITS:
        return place == outer
    return place.startswith(prefix_of(outer))


@functools.lru_cache(maxsize=8192)
def ancestors(place: str) -> tuple[str, ...]:
    """The codes around *place*, from the smallest to the province.

    Codes that are no division are among them: nothing is called 110100.
    """
    code = place[:CODE_DIGITS]
    around = (code, code[:4] + "00", code[:2] + "0000")
    return tuple(dict.fromkeys(outer for outer in around if outer != place))


def parse_place(text: object) -> str:
    """A place as text, whose division exists. A compound need not have a name in the data.

    Raises:
        UnknownPlaceError: Anything else.
    """
    if not isinstance(text, str) or len(text) > MAX_PLACE_CHARS or not _PLACE.fullmatch(text):
        raise UnknownPlaceError("not six digits, nor a county and the name of a compound")
    if not load_regions().is_division(text[:CODE_DIGITS]):
        raise UnknownPlaceError(f"{text[:CODE_DIGITS]} is no division of GB/T 2260")
    return text


@functools.cache
def load_regions() -> Regions:
    """The regions of issuer/regiondata/."""
    compounds = [Place(row["id"], row["zh"], row["en"]) for row in _compounds()]
    return Regions(_names("divisions.json"), _names("names-en.json"), compounds)


def _names(file: str) -> dict[str, str]:
    names: dict[str, str] = json.loads(_text(file))
    return names


def _compounds() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(_text("compounds.json"))
    return rows


def _text(file: str) -> str:
    return resources.files("issuer").joinpath("regiondata", file).read_text("utf-8")
