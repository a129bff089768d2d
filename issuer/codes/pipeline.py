"""Codes minted and checked, so that a slow signer never waits. Shell: a thread.

A PKCS#11 token takes longer for a signature than we take to check it. While it signs one part of a
set, the part before is checked. A seed in memory signs sooner than threads take turns: there, and
for a few codes, one follows the other.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from issuer.codes.mint import mint, self_check
from issuer.storage.core import Authority
from keys.recorded import KeySigner
from verifier.claims import Claims

__all__ = ["mint_checked"]

_PART: Final = 16


def mint_checked(
    wanted: Sequence[Claims], signers: Sequence[KeySigner], authority: Authority, *, now: int
) -> list[bytes]:
    """A code for each of *wanted* by its own signer, each of them as verifiers will take it.

    Raises:
        KeyLifecycleError: A key was stopped meanwhile.
        SelfCheckError: Verifiers would not take one for what was meant.
    """
    if len(wanted) <= _PART or not any(signer.slow for signer in set(signers)):
        codes = mint(wanted, signers)
        self_check(codes, wanted, authority, now=now)
        return codes
    starts = range(0, len(wanted), _PART)
    parts = [wanted[start : start + _PART] for start in starts]
    theirs = [signers[start : start + _PART] for start in starts]
    codes = []
    with ThreadPoolExecutor(1, thread_name_prefix="sign") as signing:
        for part, made in zip(parts, signing.map(mint, parts, theirs), strict=True):
            self_check(made, part, authority, now=now)
            codes += made
    return codes
