"""The same phone code twice at one door, within the life of a presentation. Thin state, in memory.

A presentation is good for up to 75 seconds, so a picture of it could follow its owner through the
door. Policies that refuse repeats have this around `check`. It knows its own door and no other,
holds positions for those 75 seconds, and writes nothing anywhere.
"""

from typing import Final

from verifier.check import Kind, Lists, Outcome, Policy, Reason, check
from verifier.errors import VerifierError
from verifier.presentation import MAX_AGE_S, MAX_AHEAD_S, parse_presentation
from verifier.transport import decode_text

__all__ = ["REMEMBERED_S", "Repeats"]

#: From the earliest moment at which a presentation is accepted to the last.
REMEMBERED_S: Final = MAX_AHEAD_S + MAX_AGE_S


class Repeats:
    """Checks like `check`; where the policy says so, refuses what was admitted moments ago."""

    def __init__(self) -> None:
        self._admitted: dict[tuple[int, int], int] = {}

    def check(self, text: str, lists: Lists, *, now: int, policy: Policy) -> Outcome:
        """The outcome of `check`, or REPEATED."""
        outcome = check(text, lists, now=now, policy=policy)
        noticed = policy.refuses_repeats and outcome.kind is Kind.ADMIT
        position = _position(text) if noticed else None
        if position is None:
            return outcome
        self._forget_before(now - REMEMBERED_S)
        if position in self._admitted:
            return policy.refusals[Reason.REPEATED]
        self._admitted[position] = now
        return outcome

    def _forget_before(self, moment: int) -> None:
        self._admitted = {what: at for what, at in self._admitted.items() if at >= moment}


def _position(text: str) -> tuple[int, int] | None:
    """What a phone code is recognised by: its position, for a signature can be made again."""
    try:
        code = parse_presentation(decode_text(text)).code
    except VerifierError:
        return None
    return code.list_number, code.status_index
