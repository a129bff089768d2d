"""Minting: the right key, and nothing that a verifier would not take for what was meant."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from issuer.codes.mint import expiries, mint, self_check
from issuer.errors import SealError, SelfCheckError
from issuer.storage.sealing import associated, mac, seal, unseal, unwrap, wrap
from tests.issuing_support import DAY_S, NOW, authority, holder_keys
from verifier.claims import HOUR_S, Claims, Colour, Cti, Medium

EXP = NOW // HOUR_S * HOUR_S + DAY_S
CLAIMS = Claims(EXP, Cti(1000, 7), Colour.GREEN, holder_keys(1)[0])


def minted(*wanted: Claims) -> list[bytes]:
    return mint(wanted, authority().code_keys * len(wanted))


def test_mint_codes_pass_the_check_they_were_made_for() -> None:
    """Codes of both media, for now and for days ahead."""
    ends = expiries(Medium.PHONE, 3, now=NOW)
    wanted = [replace(CLAIMS, exp=exp, cti=Cti(1000, i)) for i, exp in enumerate(ends)]
    wanted += [Claims(EXP + 6 * DAY_S, Cti(1000, 9), Colour.RED)]
    self_check(minted(*wanted), wanted, authority(), now=NOW)


def _flip(code: bytes, at: int) -> bytes:
    return code[:at] + bytes((code[at] ^ 1,)) + code[at + 1 :]


@pytest.mark.parametrize("at", range(144))
def test_self_check_refuses_a_code_with_any_byte_changed(at: int) -> None:
    """Whatever breaks between the claims and the code is found before anybody has it."""
    (code,) = minted(CLAIMS)
    with pytest.raises(SelfCheckError):
        self_check([_flip(code, at)], [CLAIMS], authority(), now=NOW)


Meant = Callable[[Claims], Claims]


@pytest.mark.parametrize(
    "meant",
    [
        lambda c: replace(c, colour=Colour.RED),
        lambda c: replace(c, exp=c.exp + HOUR_S),
        lambda c: replace(c, cti=Cti(1000, 8)),
        lambda c: replace(c, holder_key=holder_keys(1, first=5)[0]),
    ],
    ids=["colour", "exp", "cti", "holder-key"],
)
def test_self_check_refuses_a_genuine_code_that_says_something_else(meant: Meant) -> None:
    """A code can be perfect and still not be the one that was asked for."""
    codes = minted(CLAIMS)
    with pytest.raises(SelfCheckError):
        self_check(codes, [meant(CLAIMS)], authority(), now=NOW)


def test_self_check_refuses_a_list_number_of_another_issuer() -> None:
    """A code outside our range would be out of scope everywhere."""
    stray = replace(CLAIMS, cti=Cti(5000, 1))
    with pytest.raises(SelfCheckError, match="out-of-scope"):
        self_check(minted(stray), [stray], authority(), now=NOW)


# --- sealing --------------------------------------------------------------------------------------

KEY, NONCE = b"k" * 32, b"n" * 24


def test_seal_opens_only_with_its_key_and_in_its_place() -> None:
    """What was sealed for one row is worth nothing in another."""
    sealed = seal(b"codes", key=KEY, context=b"here", nonce=NONCE)
    assert unseal(sealed, key=KEY, context=b"here") == b"codes"
    for other in (
        {"key": b"x" * 32, "context": b"here"},
        {"key": KEY, "context": b"there"},
    ):
        with pytest.raises(SealError):
            unseal(sealed, **other)
    for at in range(len(sealed)):
        with pytest.raises(SealError):
            unseal(_flip(sealed, at), key=KEY, context=b"here")


@pytest.mark.parametrize("size", [0, 1, 24, 39])
def test_unseal_of_something_too_short_is_refused(size: int) -> None:
    """Cut off anywhere, it is no sealed value."""
    with pytest.raises(SealError):
        unseal(bytes(size), key=KEY, context=b"")


def test_wrapped_key_belongs_to_one_subject_and_time() -> None:
    """A key cannot be moved to another person's row; zeros, which erasing leaves, do not open."""
    about = {"kek": KEY, "subject": b"s" * 16, "created_at": NOW}
    wrapped = wrap(b"p" * 32, nonce=NONCE, **about)  # type: ignore[arg-type] # as named
    assert unwrap(wrapped, **about) == b"p" * 32  # type: ignore[arg-type] # as named
    for other in ({"subject": b"t" * 16}, {"created_at": NOW + 1}, {"kek": b"x" * 32}):
        with pytest.raises(SealError):
            unwrap(wrapped, **{**about, **other})  # type: ignore[arg-type] # as named
    with pytest.raises(SealError):
        unwrap(bytes(72), **about)  # type: ignore[arg-type] # as named


def test_associated_tells_rows_apart_whatever_their_parts() -> None:
    """No two rows have the same text: lengths and types are part of it."""
    rows: list[tuple[int | str | bytes | None, ...]] = [
        (), (None,), (0,), ("",), (b"",), ("0",), (b"0",), ("a", "bc"), ("ab", "c"), (b"ab", "c"),
        (1, 2), (12,), (None, None), ("i",), (-1,),
    ]  # fmt: skip
    assert len({associated("table", row) for row in rows}) == len(rows)
    assert len({mac(KEY, "table", row) for row in rows}) == len(rows)
    assert mac(KEY, "table", (1,)) != mac(KEY, "other", (1,))
    assert mac(KEY, "table", (1,)) != mac(b"x" * 32, "table", (1,))
