"""Making codes: sign, then look at each as a verifier would. Pure.

`verifier.check` decides here too, so nothing leaves the issuer that a door would not take.
Spec page: docs/spec/issuing.md.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from issuer.core import Authority
from issuer.errors import NoCodeKeyError, SelfCheckError
from keys.cose import MessageSigner
from keys.lifecycle import Purpose
from verifier.check import Reason, check_code
from verifier.claims import HOUR_S, LIFETIME_S, Claims, Medium, claims_of, sign_code

__all__ = ["DAY_S", "code_key", "expiries", "mint", "self_check"]

DAY_S: Final = 24 * HOUR_S


def expiries(medium: Medium, days: int, *, now: int) -> list[int]:
    """When the codes of one request end: on the whole hour, one day after the other.

    Everybody who asks within the same hour gets the same ends, so they say nothing.
    """
    first = now // HOUR_S * HOUR_S + LIFETIME_S[medium]
    return [first + day * DAY_S for day in range(days)]


def code_key(authority: Authority, claims: Claims, *, now: int) -> MessageSigner:
    """The first of our code keys that is in force for as long as this code is.

    Raises:
        NoCodeKeyError: None is.
    """
    begin = max(now, claims.not_before)
    for signer in authority.code_keys:
        found = authority.trust.find(signer.kid)
        if found is None:
            continue
        issuer, key = found
        in_force = key.not_before <= begin and claims.exp <= key.not_after
        if issuer == authority.issuer and key.purpose is Purpose.CODE and in_force:
            return signer
    raise NoCodeKeyError("no code key on the trust list is in force for the whole of a code")


def mint(wanted: Iterable[Claims], authority: Authority, *, now: int) -> list[bytes]:
    """Sign a code for each of *wanted*. Checks none of them.

    Raises:
        NoCodeKeyError: No key for one of them.
    """
    keys: dict[tuple[int, bool], MessageSigner] = {}
    codes = []
    for claims in wanted:
        window = (claims.exp, claims.holder_key is None)
        signer = keys.get(window)
        if signer is None:
            signer = keys[window] = code_key(authority, claims, now=now)
        codes.append(sign_code(claims, signer))
    return codes


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
        if claims_of(verdict) != claims:
            raise SelfCheckError("a code says something else than it should")
