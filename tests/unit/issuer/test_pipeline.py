"""Whatever signs, and however many codes, the same codes come out, all of them checked."""

import pytest

from issuer.codes.mint import DAY_S, mint
from issuer.codes.pipeline import mint_checked
from issuer.errors import SelfCheckError
from keys.ed25519 import PublicKey
from keys.lifecycle import Purpose
from keys.recorded import KeySigner
from tests.issuing_support import NOW, authority, signer
from verifier.claims import Claims, Colour, Cti

EXP = NOW // 3600 * 3600 + 7 * DAY_S
COUNTS = [0, 1, 16, 17, 32, 33, 100]


class Remote:
    """A slow signer: it spoils the signature of one call, if asked to."""

    def __init__(self, *, spoiled: int = -1) -> None:
        self._seed = signer(Purpose.CODE.value)
        self._calls = 0
        self._spoiled = spoiled

    @property
    def public_key(self) -> PublicKey:
        return self._seed.public_key

    @property
    def kid(self) -> bytes:
        return self._seed.kid

    slow = True

    def may_sign(self, now: int) -> bool:
        return self._seed.may_sign(now)

    def sign(self, message: bytes) -> bytes:
        self._calls += 1
        return self._seed.sign(b"something else" * (self._calls - 1 == self._spoiled) + message)


def _wanted(count: int) -> list[Claims]:
    return [Claims(EXP, Cti(1000, place), Colour.GREEN) for place in range(count)]


def _checked(wanted: list[Claims], by: KeySigner) -> list[bytes]:
    return mint_checked(wanted, [by] * len(wanted), authority(), now=NOW)


@pytest.mark.parametrize("count", COUNTS)
def test_mint_checked_gives_the_codes_of_mint_in_their_order(count: int) -> None:
    """By a remote signer or by a seed, in parts or at once: byte for byte the same."""
    wanted = _wanted(count)
    seed = signer(Purpose.CODE.value)
    expected = mint(wanted, [seed] * count)
    assert _checked(wanted, Remote()) == expected
    assert _checked(wanted, seed) == expected


@pytest.mark.parametrize("spoiled", [0, 15, 16, 17, 63, 64, 69])
def test_mint_checked_refuses_the_set_for_one_bad_signature(spoiled: int) -> None:
    """Whichever part it is in, one code that a door would refuse keeps all of them in."""
    with pytest.raises(SelfCheckError):
        _checked(_wanted(70), Remote(spoiled=spoiled))
