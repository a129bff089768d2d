"""Making codes: sign, then look at each as a verifier would. Pure.

`verifier.check` decides here too, so nothing leaves the issuer that a door would not take.
Spec page: docs/spec/issuing.md.
"""

from collections.abc import Sequence
from typing import Final

from issuer.errors import SelfCheckError
from issuer.storage.core import Authority
from keys.cose import MessageSigner
from verifier.check import Reason, check_code
from verifier.claims import HOUR_S, LIFETIME_S, Claims, Medium, says, sign_code

__all__ = ["DAY_S", "expiries", "mint", "self_check"]

DAY_S: Final = 24 * HOUR_S


def expiries(medium: Medium, days: int, *, now: int) -> list[int]:
    """When the codes of one request end: on the whole hour, one day after the other.

    Everybody who asks within the same hour gets the same ends, so they say nothing.
    """
    first = now // HOUR_S * HOUR_S + LIFETIME_S[medium]
    return [first + day * DAY_S for day in range(days)]


def mint(wanted: Sequence[Claims], signers: Sequence[MessageSigner]) -> list[bytes]:
    """Sign a code for each of *wanted*, each with its own signer. Checks none of them."""
    return [sign_code(claims, signer) for claims, signer in zip(wanted, signers, strict=True)]


def self_check(
    codes: Sequence[bytes], wanted: Sequence[Claims], authority: Authority, *, now: int
) -> None:
    """Refuse to go on unless verifiers will take every one of these codes for what we meant.

    A code for a day ahead is looked at as of its first second.

    Raises:
        SelfCheckError: They would not.
    """
    for code, claims in zip(codes, wanted, strict=True):
        verdict = check_code(code, authority.trust, now=max(now, claims.not_before))
        if isinstance(verdict, Reason):
            raise SelfCheckError(f"a verifier would say {verdict}")
        if not says(verdict, claims):
            raise SelfCheckError("a code says something else than it should")
