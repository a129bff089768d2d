"""The risk table: which place had which risk level, at any instant. Pure.

The table is a list of changes that only grows. A place whose own level was never set, or was set
to none, has the level of the smallest division around it that has one; without any it is low.
Spec page: docs/spec/risk-table.md.
"""

import enum
import itertools
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from issuer.errors import RiskTableError, UnknownPlaceError
from issuer.evidence import EARLIEST, LATEST
from issuer.regions import ancestors, contains, parse_place
from keys import cbor
from keys.cose import MessageSigner, parse_sign1, sign_sign1, verify_sign1
from keys.ed25519 import PublicKey
from keys.errors import CborError, KeysError

__all__ = [
    "RISK_TABLE_TYP", "Affected", "RiskChange", "RiskLevel", "RiskTable", "accept_risk_table",
    "decode_risk_table", "encode_risk_table", "sign_risk_table", "verify_risk_table",
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


_History = tuple[tuple[int, ...], tuple[RiskLevel | None, ...]]


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

    def __post_init__(self) -> None:
        if self.version < 1:
            raise RiskTableError("version: not a positive number")
        order = [(change.place, change.at) for change in self.changes]
        if order != sorted(set(order)):
            raise RiskTableError("changes: not sorted by place and instant, or one is doubled")
        for change in self.changes:
            _check_change(change)
        groups = itertools.groupby(self.changes, key=lambda change: change.place)
        object.__setattr__(
            self, "_histories", {place: _history(changes) for place, changes in groups}
        )

    def level(self, place: str, at: int) -> RiskLevel:
        """The level that *place* had, has or will have at the instant *at*."""
        for around in (place, *ancestors(place)):
            history = self._histories.get(around)
            if history is None:
                continue
            index = bisect_right(history[0], at) - 1
            level = history[1][index] if index >= 0 else None
            if level is not None:
                return level
        return RiskLevel.LOW

    def next_change(self, place: str, after: int) -> int | None:
        """The first instant later than *after* at which the level of *place* may change."""
        found: int | None = None
        for around in (place, *ancestors(place)):
            history = self._histories.get(around)
            if history is None:
                continue
            index = bisect_right(history[0], after)
            if index < len(history[0]) and (found is None or history[0][index] < found):
                found = history[0][index]
        return found

    def places_at(self, level: RiskLevel, at: int) -> tuple[str, ...]:
        """The places whose own level this is at the instant *at*, sorted."""
        return tuple(
            place
            for place, (instants, levels) in self._histories.items()
            if (index := bisect_right(instants, at) - 1) >= 0 and levels[index] is level
        )

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
            for place, (instants, levels) in self._histories.items()
            if place != change.place
            and contains(change.place, place)
            and (index := bisect_right(instants, change.at) - 1) >= 0
            and levels[index] is not None
            and index == len(instants) - 1
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
        raise RiskTableError(f"version {new.version} does not follow version {held.version}")
    if not set(held.changes) <= set(new.changes):
        raise RiskTableError("the new table forgets a change: history only grows")
    return new
