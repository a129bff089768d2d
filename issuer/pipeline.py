"""Codes minted and checked, so that a slow signer never waits. Shell: a thread.

A PKCS#11 token takes longer for a signature than we take to check it. While it signs one part of a
set, the part before is checked. A seed in memory signs sooner than threads take turns: there, and
for a few codes, one follows the other.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from issuer.core import Authority
from issuer.mint import mint, self_check
from verifier.claims import Claims

__all__ = ["mint_checked"]

_PART: Final = 32


def mint_checked(wanted: Sequence[Claims], authority: Authority, *, now: int) -> list[bytes]:
    """A code for each of *wanted*, each of them as verifiers will take it.

    Raises:
        NoCodeKeyError: No key for one of them.
        SelfCheckError: Verifiers would not take one for what was meant.
    """
    if not any(key.slow for key in authority.code_keys) or len(wanted) <= _PART:
        codes = mint(wanted, authority, now=now)
        self_check(codes, wanted, authority, now=now)
        return codes
    parts = [wanted[start : start + _PART] for start in range(0, len(wanted), _PART)]
    codes = []
    with ThreadPoolExecutor(1, thread_name_prefix="sign") as signing:
        for part, made in zip(
            parts, signing.map(lambda part: mint(part, authority, now=now), parts), strict=True
        ):
            self_check(made, part, authority, now=now)
            codes += made
    return codes
