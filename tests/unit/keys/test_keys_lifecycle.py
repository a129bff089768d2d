"""keys.lifecycle: every pair of states, every edge of a window."""

from itertools import product

import pytest

from keys.errors import (
    KeyPurposeError,
    KeyRegionError,
    KeyStateError,
    KeyTransitionError,
    KeyWindowError,
)
from keys.lifecycle import (
    ALLOWED_MOVES,
    STOPS,
    Environment,
    KeyInfo,
    KeyState,
    Moved,
    Purpose,
    new_key,
)
from keys.signer import SeedSigner

KEY = SeedSigner(b"\x01" * 32).public_key
BORN, BEGIN, END = 50, 100, 200


def _info(state: KeyState = KeyState.ACTIVE) -> KeyInfo:
    history = (Moved(state, BORN),)
    return KeyInfo(KEY, Purpose.CODE, Environment.TEST, "610000", BEGIN, END, history)


@pytest.mark.parametrize(("before", "after"), list(product(KeyState, KeyState)))
def test_move_is_possible_exactly_where_the_table_says(before: KeyState, after: KeyState) -> None:
    """All 49 pairs: allowed ones extend the history, the others raise and change nothing."""
    info = _info(before)
    if after in ALLOWED_MOVES[before]:
        assert info.moved(after, BORN).history == (*info.history, Moved(after, BORN))
    else:
        with pytest.raises(KeyTransitionError):
            info.moved(after, BORN)


def test_no_path_leads_back_from_deactivated_compromised_or_destroyed_to_signing() -> None:
    """A key that once stopped for good never signs again."""
    for end in (KeyState.DEACTIVATED, KeyState.COMPROMISED, KeyState.DESTROYED):
        reachable = {end}
        for _ in KeyState:
            reachable |= {after for state in reachable for after in ALLOWED_MOVES[state]}
        assert KeyState.ACTIVE not in reachable


@pytest.mark.parametrize("state", [KeyState.ACTIVE, KeyState.DESTROYED])
def test_move_before_the_last_change_is_refused(state: KeyState) -> None:
    """A history runs forward."""
    with pytest.raises(KeyTransitionError, match="clock"):
        _info(KeyState.SUSPENDED).moved(state, BORN - 1)


@pytest.mark.parametrize("state", sorted(STOPS))
def test_stop_before_the_last_change_is_noted_with_it(state: KeyState) -> None:
    """A stolen key is stopped whatever the clock says that the last change was made by."""
    assert _info().moved(state, BORN - 1).history[-2:] == (
        Moved(KeyState.ACTIVE, BORN),
        Moved(state, BORN),
    )


def test_compromised_stays_known_after_destruction() -> None:
    """Destroying a key does not launder it."""
    info = _info().moved(KeyState.COMPROMISED, BORN).moved(KeyState.DESTROYED, BORN)
    assert info.state is KeyState.DESTROYED
    assert Moved(KeyState.COMPROMISED, BORN) in info.history


@pytest.mark.parametrize("state", sorted(set(KeyState) - {KeyState.ACTIVE}), ids=str)
def test_signing_in_any_other_state_is_refused(state: KeyState) -> None:
    """Only an active key signs."""
    with pytest.raises(KeyStateError):
        _info(state).require_signing(Purpose.CODE, "610000", BEGIN)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.CODE}), ids=str)
def test_signing_for_another_purpose_is_refused(purpose: Purpose) -> None:
    """A key has one purpose."""
    with pytest.raises(KeyPurposeError):
        _info().require_signing(purpose, "610000", BEGIN)


def test_signing_for_another_region_is_refused() -> None:
    """A key speaks for one issuer."""
    with pytest.raises(KeyRegionError, match="of region 610000, not of 230000"):
        _info().require_signing(Purpose.CODE, "230000", BEGIN)


@pytest.mark.parametrize(("now", "allowed"), [(99, False), (100, True), (199, True), (200, False)])
def test_signing_outside_the_window_is_refused(now: int, *, allowed: bool) -> None:
    """The window holds its first second and not its last."""
    if allowed:
        _info().require_signing(Purpose.CODE, "610000", now)
    else:
        with pytest.raises(KeyWindowError):
            _info().require_signing(Purpose.CODE, "610000", now)


@pytest.mark.parametrize(
    ("region", "end"),
    [("610000", BEGIN), ("61000", END), ("61000a", END), ("٦١٠٠٠٠", END), ("", END)],
)
def test_new_key_with_an_empty_window_or_no_region_is_a_value_error(region: str, end: int) -> None:
    """No record is made of a key that could never be used."""
    with pytest.raises(ValueError, match=r"window|six digits"):
        new_key(
            KEY,
            purpose=Purpose.CODE,
            environment=Environment.TEST,
            region=region,
            not_before=BEGIN,
            not_after=end,
            now=BORN,
        )
