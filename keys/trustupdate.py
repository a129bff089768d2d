"""Whether a trust list may replace the one that is held. Pure. Spec: docs/spec/trust-list.md.

Every refusal has its own error, and nothing held changes on a refusal: the caller keeps what it
has, and shows the error.
"""

from typing import Final

from keys.errors import (
    TrustListClockError,
    TrustListEquivocationError,
    TrustListExpiredError,
    TrustListPolicyError,
    TrustListRollbackError,
    TrustListStepError,
    TrustListSuccessorError,
    TrustListWithdrawalError,
)
from keys.instants import format_time
from keys.trustlist import Roots, TrustList, require_following_roots, verify_trust_list

__all__ = [
    "MAX_SKEW_S", "MAX_STEP", "accept_trust_list", "require_current", "require_may_follow",
]  # fmt: skip

#: Versions that may be missed between two visits; three years of a list an hour.
MAX_STEP: Final = 26_280
#: How far a list's issue may lie ahead of this machine's clock.
MAX_SKEW_S: Final = 300


def accept_trust_list(held: TrustList | None, data: bytes, *, roots: Roots, now: int) -> TrustList:
    """The list in *data*, if it may take the place of *held*.

    The list that is already held is accepted again, as long as it is current. Save the accepted
    list first and then `encode_roots(accepted.roots)`: a crash between the two is harmless.

    Args:
        held: The list accepted last, or None.
        data: A whole published list.
        roots: What this verifier was given, or saved after the last acceptance.
        now: UNIX seconds.

    Raises:
        TrustListExpiredError: Genuine and acceptable, but past its end: stale, not refused.
        TrustListError: Any other leaf: refused.
    """
    # (1) Form, (2) quorums, (3) keys and ranges, (4) environment, (5) one epoch at a time.
    trust = verify_trust_list(data, _trusted_roots(held, roots))
    if held is not None:
        _require_successor(held, trust)
    # (9) Time comes last, so that a wrong clock hides none of the alarms above.
    require_current(trust, now)
    return trust


def require_may_follow(held: TrustList, trust: TrustList) -> None:
    """Raise unless *trust* may take the place of *held*, once the roots have signed it.

    All of `accept_trust_list` that needs neither signatures nor a clock: for drafts.

    Raises:
        TrustListError: Verifiers that hold *held* would refuse it.
    """
    require_following_roots(held.roots, trust.roots)
    _require_successor(held, trust)


def _trusted_roots(held: TrustList | None, roots: Roots) -> Roots:
    """The newer of the roots given by hand and those of the list held."""
    if held is None or held.roots.epoch < roots.epoch:
        return roots
    return held.roots


def _require_successor(held: TrustList, trust: TrustList) -> None:
    # A new epoch is the way out after stolen roots have burnt all the numbers within reach, ended
    # issuers or pinned what nobody has: it may begin again below. Withdrawals survive it.
    same_epoch = trust.roots.epoch == held.roots.epoch
    # (6) Versions rise.
    if same_epoch:
        _require_risen(held, trust)
    # (7) Not out of reach of what comes after it.
    if trust.version > held.version + MAX_STEP:
        raise TrustListStepError(f"version {trust.version}, and {held.version} is held")
    # (8) What was said for good: withdrawn is for ever, whoever signs.
    if not trust.withdrawn >= held.withdrawn:
        raise TrustListWithdrawalError(
            f"{len(held.withdrawn - trust.withdrawn)} withdrawn keys came back"
        )
    if same_epoch:
        _require_endings_kept(held, trust)
        _require_policies_kept(held, trust)


def _require_risen(held: TrustList, trust: TrustList) -> None:
    if trust.version < held.version:
        raise TrustListRollbackError(f"version {trust.version}, and {held.version} is held")
    if trust.version == held.version and trust != held:
        raise TrustListEquivocationError(f"another version {held.version} than the one held")
    if trust.issued_at < held.issued_at:
        raise TrustListRollbackError(f"version {trust.version} was issued before the one held")


def _require_endings_kept(held: TrustList, trust: TrustList) -> None:
    """People were told the day and the successor. An issuer that ended does not come back."""
    for issuer in held.issuers:
        after = trust.issuer(issuer.region)
        if issuer.ending is not None and (after is None or after.ending != issuer.ending):
            raise TrustListSuccessorError(
                f"the end of region {issuer.region} is gone or another than the one held"
            )


def _require_policies_kept(held: TrustList, trust: TrustList) -> None:
    """What issuers must have never goes back to what they need not."""
    for before in held.policies:
        after = trust.pinned(before.name)
        if after is None or after.version < before.version:
            raise TrustListPolicyError(
                f"policy {before.name}: version {before.version} is held, and the list goes back"
            )
        if after.version == before.version and after.digest != before.digest:
            raise TrustListPolicyError(
                f"policy {before.name}: another version {before.version} than the one held"
            )


def require_current(trust: TrustList, now: int) -> None:
    """Raise unless *now* lies within the life of the list.

    Raises:
        TrustListClockError: It was issued more than `MAX_SKEW_S` ahead of this clock.
        TrustListExpiredError: Its end has come.
    """
    if now < trust.issued_at - MAX_SKEW_S:
        raise TrustListClockError(
            f"version {trust.version} was issued at {format_time(trust.issued_at)}, and this "
            f"machine's clock says {format_time(now)}"
        )
    if now >= trust.not_after:
        raise TrustListExpiredError(
            f"version {trust.version} ended at {format_time(trust.not_after)}, and this machine's "
            f"clock says {format_time(now)}"
        )
