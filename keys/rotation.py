"""Code keys for the days ahead: what to make, activate, deactivate and destroy. Pure, but `rotate`.

A code key signs on one day (UTC); a day has several, its shards. They are made days ahead, carried
to the trust list, and used only when they have stood on it for a day, so that a door that was
offline knows them already. Spare keys are published like the others and sign nothing, until keys
of the day are lost, stolen or late. Everything follows from the records, the list held and the
clock: running it again changes nothing, and after a crash it goes on.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from keys.keyring import Keyring
from keys.lifecycle import CODE_LIFE_S, KeyInfo, KeyState, Purpose
from keys.trustmodel import PUBLISHED_S, TrustList

__all__ = [
    "DAY_S", "LISTABLE", "MAX_LISTED", "SPARE_S", "Plan", "Rotated", "Supply", "off_the_list",
    "onto_the_list", "plan_rotation", "rotate",
]  # fmt: skip

DAY_S: Final = 86_400
#: A key is active so long before its window, so that no second of its day is without it.
_LEAD_S: Final = 3_600
#: How long a spare key is good for, and how much of that is left when it is replaced.
SPARE_S: Final = 28 * DAY_S
_SPARE_LEFT_S: Final = 14 * DAY_S
#: It counts so long after its making: tomorrow's list still publishes it in time.
_SPARE_WAIT_S: Final = 2 * DAY_S
#: Keys of one issuer on a trust list: 34 issuers and verifiers' memory are what bounds it.
MAX_LISTED: Final = 90
#: Keys of other purposes that an issuer may have on the list at one time.
_OTHERS: Final = 8
#: States of keys that a trust list may name.
LISTABLE: Final = frozenset(KeyState) - {KeyState.COMPROMISED, KeyState.DESTROYED}
#: Purposes that verifiers find elsewhere than among an issuer's keys.
_UNLISTED: Final = frozenset({Purpose.TRUST_ROOT, Purpose.WITNESS})


@dataclass(frozen=True, slots=True)
class Supply:
    """How many code keys there are to be.

    Attributes:
        days: After today, that have their keys already: at least as long as a list takes to come.
        shards: Keys of one day.
        spares: Keys in reserve.

    Raises:
        ValueError: So many would not fit on a trust list.
    """

    days: int = 7
    shards: int = 4
    spares: int = 4

    def __post_init__(self) -> None:
        if self.days < 2 or self.shards < 1 or self.spares < 0:  # noqa: PLR2004 - a whole day ahead
            raise ValueError("at least two days ahead, one shard a day, and no less than no spares")
        if self.listed > MAX_LISTED:
            raise ValueError(f"{self.listed} keys on the trust list, at most {MAX_LISTED} may be")

    @property
    def listed(self) -> int:
        """The most keys that this puts on the trust list at one time.

        Those of today, of the days ahead and of the days whose codes still live; spare keys twice,
        the new ones beside those that they replace.
        """
        alive = 1 + self.days + CODE_LIFE_S // DAY_S
        return alive * self.shards + 2 * self.spares + _OTHERS


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order.

    Attributes:
        published: Kids that the list held names for the first time, and when it was issued.
        moves: Kids and the state that each goes to.
        windows: Of the keys to be made.
    """

    published: tuple[tuple[bytes, int], ...]
    moves: tuple[tuple[bytes, KeyState], ...]
    windows: tuple[tuple[int, int], ...]


def plan_rotation(
    infos: Iterable[KeyInfo], trust: TrustList | None, *, region: str, supply: Supply, now: int
) -> Plan:
    """What has to be done with these keys at *now*, under the trust list held."""
    ours = [info for info in infos if info.purpose is Purpose.CODE and info.region == region]
    listed = _listed(ours, trust, region)
    seen = {info.kid: info.published_at for info in ours if info.published_at is not None}
    fresh = {} if trust is None else {kid: trust.issued_at for kid in listed if kid not in seen}
    ready = _ready(listed, seen | fresh, now)
    moves = [*_ends(ours, now), *_beginnings(ours, ready, now)]
    states = {info.kid: info.state for info in ours} | dict(moves)
    windows = _windows([(info, states[info.kid]) for info in ours], supply, now)
    return Plan(tuple(fresh.items()), tuple(moves), tuple(windows))


def _listed(ours: Iterable[KeyInfo], trust: TrustList | None, region: str) -> list[bytes]:
    """Kids that the list has as code keys of our region, in our order."""
    found = []
    for info in ours:
        entry = None if trust is None else trust.find(info.kid)
        if entry is not None and entry[0].region == region and entry[1].purpose is Purpose.CODE:
            found.append(info.kid)
    return found


def _ready(listed: Sequence[bytes], published: dict[bytes, int], now: int) -> frozenset[bytes]:
    """Those that have been listed for a day; all that are listed, for an issuer that is new there.

    In an issuer's first day on the list it has no other key, and no door knows an older one.
    """
    new_here = all(at + PUBLISHED_S > now for at in published.values())
    return frozenset(kid for kid in listed if new_here or published[kid] + PUBLISHED_S <= now)


def _ends(ours: Iterable[KeyInfo], now: int) -> Iterator[tuple[bytes, KeyState]]:
    """Keys whose window is over sign no more; when their last code is over, they are destroyed."""
    for info in ours:
        state = info.state
        if state in {KeyState.ACTIVE, KeyState.SUSPENDED} and now >= info.not_after:
            state = KeyState.DEACTIVATED
            yield info.kid, state
        unused = state is KeyState.PRE_ACTIVATION and now >= info.not_after
        over = state in {KeyState.DEACTIVATED, KeyState.COMPROMISED} and now >= info.honoured_until
        if unused or over:
            yield info.kid, KeyState.DESTROYED


def _beginnings(
    ours: Sequence[KeyInfo], ready: frozenset[bytes], now: int
) -> Iterator[tuple[bytes, KeyState]]:
    """Keys whose day has come, and a spare one for each of them that is lost, stolen or late."""
    waiting = [i for i in ours if i.state is KeyState.PRE_ACTIVATION and i.kid in ready]
    daily = [i for i in waiting if _is_daily(i) and i.not_before - _LEAD_S <= now < i.not_after]
    for info in daily:
        yield info.kid, KeyState.ACTIVE
    made = sum(1 for info in ours if _is_daily(info) and _in_window(info, now))
    at_work = sum(1 for info in ours if info.state is KeyState.ACTIVE and _in_window(info, now))
    at_work += sum(1 for info in daily if _in_window(info, now))
    spare = [info for info in waiting if not _is_daily(info) and _in_window(info, now)]
    for info in spare[: max(0, max(1, made) - at_work)]:
        yield info.kid, KeyState.ACTIVE


def _windows(
    ours: Sequence[tuple[KeyInfo, KeyState]], supply: Supply, now: int
) -> Iterator[tuple[int, int]]:
    """Windows of the keys that are missing. No key is made too late to be published in time."""
    today = now - now % DAY_S
    usable = {KeyState.PRE_ACTIVATION, KeyState.ACTIVE}
    there = Counter(i.not_before for i, state in ours if _is_daily(i) and state in usable)
    for begin in range(today, today + supply.days * DAY_S + 1, DAY_S):
        if begin >= now + PUBLISHED_S or not ours:
            for _ in range(supply.shards - there[begin]):
                yield begin, begin + DAY_S
    spares = sum(
        1
        for info, state in ours
        if state is KeyState.PRE_ACTIVATION
        and not _is_daily(info)
        and info.not_after - now >= _SPARE_LEFT_S
    )
    begin = today + _SPARE_WAIT_S if ours else today
    for _ in range(supply.spares - spares):
        yield begin, begin + SPARE_S


def _is_daily(info: KeyInfo) -> bool:
    return info.not_before % DAY_S == 0 and info.not_after - info.not_before == DAY_S


def _in_window(info: KeyInfo, now: int) -> bool:
    return info.not_before <= now < info.not_after


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was done: the records after it."""

    made: tuple[KeyInfo, ...]
    moved: tuple[KeyInfo, ...]

    def __bool__(self) -> bool:
        return bool(self.made or self.moved)


def rotate(
    ring: Keyring, trust: TrustList | None, *, region: str, supply: Supply, now: int
) -> Rotated:
    """Do what `plan_rotation` says with the keys of *ring*. Shell: through the keyring.

    Raises:
        KeysError: Of the keyring. What was done before stands; run it again.
    """
    with ring.alone():
        plan = plan_rotation(ring.held(), trust, region=region, supply=supply, now=now)
        for kid, at in plan.published:
            ring.published(kid, at)
        moved = tuple(ring.move(kid, state, now) for kid, state in plan.moves)
        made = tuple(
            ring.new(Purpose.CODE, region, begin, end, now=now) for begin, end in plan.windows
        )
    return Rotated(made, moved)


def onto_the_list(
    infos: Iterable[KeyInfo], trust: TrustList | None, now: int
) -> tuple[KeyInfo, ...]:
    """Keys that the next trust list has to name and the one held does not."""
    return tuple(
        info
        for info in infos
        if info.purpose not in _UNLISTED
        and info.state in LISTABLE
        and now < info.honoured_until
        and (trust is None or trust.find(info.kid) is None)
    )


def off_the_list(
    infos: Iterable[KeyInfo], trust: TrustList | None, now: int
) -> tuple[KeyInfo, ...]:
    """Keys that the list held names and the next one must not: over, destroyed or compromised."""
    return tuple(
        info
        for info in infos
        if trust is not None
        and trust.find(info.kid) is not None
        and (info.state not in LISTABLE or now >= info.honoured_until)
    )
