"""What a key is for and what it may do when: purposes, states, windows. Pure.

States and transitions are those of NIST SP 800-57 Part 1 (Rev. 5), section 7. A key has one
purpose for its whole life. Its record outlives it: destroying a key keeps its history.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from keys.ed25519 import PublicKey
from keys.errors import (
    KeyPurposeError,
    KeyRegionError,
    KeyStateError,
    KeyTransitionError,
    KeyWindowError,
)
from keys.instants import format_time
from keys.kid import kid
from keys.purpose import Environment, Purpose

__all__ = [
    "ALLOWED_MOVES",
    "CODE_LIFE_S",
    "STOPS",
    "Environment",
    "KeyInfo",
    "KeyState",
    "Moved",
    "Purpose",
    "new_key",
]


#: No code ends later than this after it was signed (docs/spec/issuing.md). A test holds the two
#: together, for codes are not known here.
CODE_LIFE_S: Final = 7 * 86_400


class KeyState(StrEnum):
    PRE_ACTIVATION = "pre-activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


#: Where a key may go from each state.
ALLOWED_MOVES: Final[dict[KeyState, frozenset[KeyState]]] = {
    KeyState.PRE_ACTIVATION: frozenset({KeyState.ACTIVE, KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.ACTIVE: frozenset(
        {KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED}
    ),
    KeyState.SUSPENDED: frozenset(
        {KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED}
    ),
    KeyState.DEACTIVATED: frozenset({KeyState.COMPROMISED, KeyState.DESTROYED}),
    KeyState.COMPROMISED: frozenset({KeyState.DESTROYED}),
    KeyState.DESTROYED: frozenset(),
}


#: Moves that wait for no clock: a stolen key is stopped even where its last change was made by a
#: clock that ran ahead.
STOPS: Final = frozenset({KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED})


@dataclass(frozen=True, slots=True)
class Moved:
    """One entry of a key's history."""

    state: KeyState
    at: int


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """The public record of a key.

    Attributes:
        region: GB/T 2260, six digits.
        not_before: UNIX seconds, the first at which it may sign.
        not_after: UNIX seconds, the first at which it may not.
        history: Every state, in order; the last is the present one.
        published_at: When the first trust list that named it was issued, as far as we saw.
    """

    public_key: PublicKey
    purpose: Purpose
    environment: Environment
    region: str
    not_before: int
    not_after: int
    history: tuple[Moved, ...]
    published_at: int | None = None

    @property
    def kid(self) -> bytes:
        return kid(self.public_key)

    @property
    def state(self) -> KeyState:
        return self.history[-1].state

    @property
    def honoured_until(self) -> int:
        """The first second at which nothing that it signed counts: of a code key, codes live on."""
        return self.not_after + (CODE_LIFE_S if self.purpose is Purpose.CODE else 0)

    def moved(self, state: KeyState, now: int) -> "KeyInfo":
        """The record after a move. A stop is noted at the last change, if the clock is before it.

        Raises:
            KeyTransitionError: That move is not allowed, or the clock went back.
        """
        if state not in ALLOWED_MOVES[self.state]:
            raise KeyTransitionError(f"{self._name}: {self.state} cannot become {state}")
        last = self.history[-1].at
        if now < last and state not in STOPS:
            raise KeyTransitionError(f"{self._name}: the clock is before its last change")
        return replace(self, history=(*self.history, Moved(state, max(now, last))))

    def require_signing(self, purpose: Purpose, region: str, now: int) -> None:
        """Raise unless this key may sign for *purpose* and *region* at *now*.

        Raises:
            KeyPurposeError: It is for something else.
            KeyRegionError: It is somebody else's.
            KeyStateError: It is not active.
            KeyWindowError: Its time has not come, or is over.
        """
        if self.purpose is not purpose:
            raise KeyPurposeError(f"{self._name} is for {self.purpose}, not for {purpose}")
        if self.region != region:
            raise KeyRegionError(f"{self._name} is of region {self.region}, not of {region}")
        if self.state is not KeyState.ACTIVE:
            raise KeyStateError(f"{self._name} is {self.state}, not active")
        if not self.not_before <= now < self.not_after:
            window = f"{format_time(self.not_before)} until {format_time(self.not_after)}"
            raise KeyWindowError(f"{self._name} may sign from {window}")

    @property
    def _name(self) -> str:
        return f"key {self.kid.hex()}"


def new_key(  # noqa: PLR0913 - a record has this many columns
    public_key: PublicKey,
    *,
    purpose: Purpose,
    environment: Environment,
    region: str,
    not_before: int,
    not_after: int,
    now: int,
) -> KeyInfo:
    """The record of a key that was just made.

    Raises:
        ValueError: The window is empty, or *region* is not six digits.
    """
    if not not_before < not_after:
        raise ValueError("a key's window ends after it begins")
    if not (len(region) == 6 and region.isascii() and region.isdigit()):  # noqa: PLR2004
        raise ValueError("a region is six digits")
    born = (Moved(KeyState.PRE_ACTIVATION, now),)
    return KeyInfo(public_key, purpose, environment, region, not_before, not_after, born)
