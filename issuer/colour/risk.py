"""The risk table: which place had which risk level, at any instant. Pure.

The table is a list of changes that only grows. A place whose own level was never set, or was set
to none, has the level of the smallest division around it that has one; without any it is low.
Spec page: docs/spec/risk-table.md.
"""

import enum
import itertools
import json
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from typing import Final, TypeAlias

from issuer.colour.evidence import EARLIEST, LATEST
from issuer.colour.regions import CODE_DIGITS, ancestors, contains, parse_place
from issuer.colour.timeline import parse_instant
from issuer.errors import RiskTableError, UnknownPlaceError
from keys import cbor
from keys.cose import MessageSigner, parse_sign1, sign_sign1, verify_sign1
from keys.ed25519 import PublicKey
from keys.errors import CborError, KeysError

__all__ = [
    "RISK_TABLE_TYP", "Affected", "RiskChange", "RiskLevel", "RiskTable", "accept_risk_table",
    "decode_risk_table", "encode_risk_table", "shipped_risk_table", "sign_risk_table",
    "verify_risk_table",
]  # fmt: skip

RISK_TABLE_TYP: Final = "application/celadon-risk-table+cbor"
MAX_BYTES: Final = 1 << 20


class RiskLevel(enum.IntEnum):
    """As the State Council's office announces them: 低, 中, 高."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class RiskChange:
    """From the instant *at* (UNIX seconds) the place has this level; None: no own level."""

    place: str
    level: RiskLevel | None
    at: int


@dataclass(frozen=True, slots=True)
class Affected:
    """The places whose level a change may change: all in *place* but those in *without*."""

    place: str
    without: tuple[str, ...]

    def covers(self, place: str) -> bool:
        return contains(self.place, place) and not any(
            contains(inner, place) for inner in self.without
        )


#: Instants, and the own level from each of them on.
_History: TypeAlias = tuple[tuple[int, ...], tuple[RiskLevel | None, ...]]
#: Instants, and the level before, between and after them.
Timeline: TypeAlias = tuple[tuple[int, ...], tuple[RiskLevel, ...]]


@dataclass(frozen=True, slots=True)
class RiskTable:
    """One version of the table.

    Attributes:
        version: 1, 2, 3, ...; a verifier refuses to go back.
        issued_at: UNIX seconds.
        changes: All changes ever, sorted by place and instant.

    Raises:
        RiskTableError: Not sorted, two changes of a place at one instant, an unknown place.
    """

    version: int
    issued_at: int
    changes: tuple[RiskChange, ...]
    _histories: dict[str, _History] = field(init=False, repr=False, compare=False)
    _timelines: dict[str, Timeline] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.version) is not int or self.version < 1:
            raise RiskTableError("version: not a positive number")
        if type(self.issued_at) is not int or not EARLIEST <= self.issued_at < LATEST:
            raise RiskTableError("issued_at: not an instant of this century")
        order = [(change.place, change.at) for change in self.changes]
        if order != sorted(set(order)):
            raise RiskTableError("changes: not sorted by place and instant, or one is doubled")
        for change in self.changes:
            _check_change(change)
        groups = itertools.groupby(self.changes, key=lambda change: change.place)
        object.__setattr__(
            self, "_histories", {place: _history(changes) for place, changes in groups}
        )
        object.__setattr__(self, "_timelines", {})

    def level(self, place: str, at: int) -> RiskLevel:
        """The level that *place* had, has or will have at the instant *at*."""
        instants, levels = self.timeline(place)
        return levels[bisect_right(instants, at)]

    def timeline(self, place: str) -> Timeline:
        """The instants at which the level of *place* changes, and the levels between them.

        There is one level more than instants: the first holds before all of them.
        """
        if place not in self._histories:
            # Whoever asks for invented compounds must not fill the memory.
            place = place[:CODE_DIGITS]
        known = self._timelines.get(place)
        if known is None:
            known = self._timelines[place] = self._make_timeline(place)
        return known

    def _make_timeline(self, place: str) -> Timeline:
        around = [self._histories[p] for p in (place, *ancestors(place)) if p in self._histories]
        instants = sorted({instant for history in around for instant in history[0]})
        levels = (_effective(around, instant) for instant in instants)
        return tuple(instants), (RiskLevel.LOW, *levels)

    def places_at(self, level: RiskLevel, at: int) -> tuple[str, ...]:
        """The places whose own level this is at the instant *at*, sorted."""
        return tuple(p for p, history in self._histories.items() if _own(history, at) is level)

    def with_change(
        self, place: str, level: RiskLevel | None, at: int, *, issued_at: int
    ) -> "RiskTable":
        """The next version, in which *place* has this level from the instant *at* on.

        Raises:
            RiskTableError: The history of the place would be rewritten, or no such place.
        """
        last = max((c.at for c in self.changes if c.place == place), default=None)
        if last is not None and at <= last:
            raise RiskTableError("the place already has a change at or after this instant")
        changes = sorted(
            (*self.changes, RiskChange(place, level, at)), key=lambda c: (c.place, c.at)
        )
        return RiskTable(self.version + 1, issued_at, tuple(changes))

    def affected_by(self, change: RiskChange) -> Affected:
        """Whom to re-assess. Places below that have an own level at that instant keep it."""
        inner = (
            place
            for place, history in self._histories.items()
            if place != change.place
            and contains(change.place, place)
            and _own(history, change.at) is not None
            and history[0][-1] <= change.at
        )
        return Affected(change.place, tuple(sorted(inner)))


def _check_change(change: RiskChange) -> None:
    try:
        parse_place(change.place)
    except UnknownPlaceError as error:
        raise RiskTableError(f"place: {error}") from error
    if change.level is not None and type(change.level) is not RiskLevel:
        raise RiskTableError("level: not low, medium, high or none")
    if type(change.at) is not int or not EARLIEST <= change.at < LATEST:
        raise RiskTableError("at: not an instant of this century")


def _history(changes: Iterable[RiskChange]) -> _History:
    rows = tuple(changes)
    return tuple(row.at for row in rows), tuple(row.level for row in rows)


def _own(history: _History, at: int) -> RiskLevel | None:
    index = bisect_right(history[0], at) - 1
    return history[1][index] if index >= 0 else None


def _effective(around: Iterable[_History], at: int) -> RiskLevel:
    """The first own level at the instant *at*, from the smallest place to the largest."""
    owns = (_own(history, at) for history in around)
    return next((level for level in owns if level is not None), RiskLevel.LOW)


def encode_risk_table(table: RiskTable) -> bytes:
    """{1: version, 2: issued_at, 3: [[place, level or null, at], ...]}."""
    rows = [[c.place, None if c.level is None else int(c.level), c.at] for c in table.changes]
    return cbor.encode({1: table.version, 2: table.issued_at, 3: rows})


def decode_risk_table(payload: bytes) -> RiskTable:
    """The table of a payload whose signature somebody has verified.

    Raises:
        RiskTableError: Anything but the encoding of a table.
    """
    try:
        value = cbor.decode(payload, max_bytes=MAX_BYTES)
    except CborError as error:
        raise RiskTableError(f"payload: {error}") from error
    match value:
        case {1: int(version), 2: int(issued_at), 3: list(rows), **others} if not others:
            return RiskTable(version, issued_at, tuple(_change(row) for row in rows))
        case _:
            raise RiskTableError("payload: not version, issued_at and changes")


def _change(row: object) -> RiskChange:
    match row:
        case [str(place), None, int(at)]:
            return RiskChange(place, None, at)
        case [str(place), int(level), int(at)] if level in {0, 1, 2} and level is not True:
            return RiskChange(place, RiskLevel(level), at)
        case _:
            raise RiskTableError("change: not place, level and instant")


def shipped_risk_table(name: str) -> RiskTable:
    """The table of issuer/regiondata/risk-NAME.json.

    Raises:
        RiskTableError: It is not as it must be.
    """
    file = resources.files("issuer").joinpath("regiondata", f"risk-{name}.json")
    data = json.loads(file.read_text("utf-8"))
    changes = [_shipped_change(row) for row in data["changes"]]
    changes.sort(key=lambda change: (change.place, change.at))
    return RiskTable(data["version"], _shipped_instant(data["issued_at"]), tuple(changes))


def _shipped_change(row: dict[str, str]) -> RiskChange:
    return RiskChange(row["place"], RiskLevel[row["level"].upper()], _shipped_instant(row["at"]))


def _shipped_instant(text: str) -> int:
    instant = parse_instant(text)
    if instant is None:
        raise RiskTableError("an instant that does not exist")
    return instant


def sign_risk_table(table: RiskTable, signer: MessageSigner) -> bytes:
    return sign_sign1(encode_risk_table(table), signer, typ=RISK_TABLE_TYP)


def verify_risk_table(data: bytes, public_key: PublicKey) -> RiskTable:
    """The table, if this key signed it.

    Does not check that the key may sign risk tables (a RULES key of the issuer): ask the trust
    list for the kid first.

    Raises:
        RiskTableError: Not a table, or not signed by this key.
    """
    try:
        sign1 = parse_sign1(data, typ=RISK_TABLE_TYP, max_bytes=MAX_BYTES)
        payload = verify_sign1(sign1, public_key)
    except KeysError as error:
        raise RiskTableError(f"risk table: {error}") from error
    return decode_risk_table(payload)


def accept_risk_table(held: RiskTable | None, new: RiskTable) -> RiskTable:
    """*new*, if it may follow *held*.

    Raises:
        RiskTableError: It is older, or another table of the same version, or forgets a change.
    """
    if held is None or new == held:
        return new
    if new.version <= held.version:
        raise RiskTableError(
            f"risk table version {new.version} does not follow version {held.version}"
        )
    if not set(held.changes) <= set(new.changes):
        raise RiskTableError("the new table forgets a change: history only grows")
    return new
