"""The check: may this code be accepted, here and now? Pure. Spec page: docs/spec/code.md.

The steps carry the numbers of the spec page. Every result is a value with a reason, and of one of
four kinds. Nothing that a stranger can put into a QR code raises.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keys.errors import SignatureError
from keys.lifecycle import Purpose
from keys.trustlist import TrustList
from verifier.claims import Colour, ParsedCode, VerifiedCode, parse_code, verify_code
from verifier.errors import CodeError, PresentationError, TransportError
from verifier.presentation import (
    MAX_AGE_S,
    MAX_AHEAD_S,
    PRESENTATION_BYTES,
    ParsedPresentation,
    parse_presentation,
    verify_presentation,
)
from verifier.statuslist import Status, StatusList
from verifier.transport import decode_text

__all__ = [
    "CHECKPOINT", "HOSPITAL", "MAX_LIST_AGE_S", "VENUE", "Kind", "Lists", "Outcome", "Policy",
    "Reason", "check", "check_bytes",
]  # fmt: skip

#: A list older than this decides nothing, whatever end it names itself.
MAX_LIST_AGE_S: Final = 24 * 3600


class Kind(StrEnum):
    """What staff do next."""

    ADMIT = "admit"
    DO_NOT_ADMIT = "do-not-admit"
    CHECK_AGAIN = "check-again"
    NOT_A_CODE = "not-a-code"


class Reason(StrEnum):
    """Why, in the order in which the steps can give it."""

    MALFORMED = "malformed"
    WRONG_TYPE = "wrong-type"
    CLOCK = "clock"
    STALE_TRUST = "stale-trust"
    KEY_WITHDRAWN = "key-withdrawn"
    UNKNOWN_KEY = "unknown-key"
    KEY_PURPOSE = "key-purpose"
    KEY_NOT_IN_FORCE = "key-not-in-force"
    OUT_OF_SCOPE = "out-of-scope"
    BAD_SIGNATURE = "bad-signature"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    PRESENTATION_OLD = "presentation-old"
    PRESENTATION_AHEAD = "presentation-ahead"
    NO_STATUS = "no-status"
    STALE_STATUS = "stale-status"
    STATUS_UNKNOWN = "status-unknown"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    NOT_ADMITTED = "not-admitted"
    REPEATED = "repeated"
    ADMITTED = "admitted"

    @property
    def kind(self) -> Kind:
        """The one kind that this reason belongs to."""
        return _KINDS[self]


_KINDS: Final = {
    Reason.MALFORMED: Kind.NOT_A_CODE,
    Reason.WRONG_TYPE: Kind.NOT_A_CODE,
    Reason.CLOCK: Kind.CHECK_AGAIN,
    Reason.STALE_TRUST: Kind.CHECK_AGAIN,
    Reason.KEY_WITHDRAWN: Kind.DO_NOT_ADMIT,
    Reason.UNKNOWN_KEY: Kind.CHECK_AGAIN,
    Reason.KEY_PURPOSE: Kind.DO_NOT_ADMIT,
    Reason.KEY_NOT_IN_FORCE: Kind.CHECK_AGAIN,
    Reason.OUT_OF_SCOPE: Kind.DO_NOT_ADMIT,
    Reason.BAD_SIGNATURE: Kind.DO_NOT_ADMIT,
    Reason.NOT_YET: Kind.CHECK_AGAIN,
    Reason.EXPIRED: Kind.CHECK_AGAIN,
    Reason.PRESENTATION_OLD: Kind.CHECK_AGAIN,
    Reason.PRESENTATION_AHEAD: Kind.CHECK_AGAIN,
    Reason.NO_STATUS: Kind.CHECK_AGAIN,
    Reason.STALE_STATUS: Kind.CHECK_AGAIN,
    Reason.STATUS_UNKNOWN: Kind.CHECK_AGAIN,
    Reason.WITHDRAWN: Kind.DO_NOT_ADMIT,
    Reason.SUPERSEDED: Kind.CHECK_AGAIN,
    Reason.NOT_ADMITTED: Kind.DO_NOT_ADMIT,
    Reason.REPEATED: Kind.CHECK_AGAIN,
    Reason.ADMITTED: Kind.ADMIT,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict. Has no truth value: look at the kind.

    Attributes:
        colour: Only where the policy shows it, and only when the code could be read to its end.
    """

    kind: Kind
    reason: Reason
    colour: Colour | None = None

    def __bool__(self) -> bool:
        raise TypeError("an outcome is neither true nor false: look at its kind")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a kind of venue does with a code.

    Attributes:
        admitted: The colours that may enter. All others give one and the same reason.
        shows_colour: Whether staff see the colour.
        denies: False where nobody may be turned away for a code: what would be DO_NOT_ADMIT is
            then CHECK_AGAIN, with the same reason.
    """

    name: str
    admitted: frozenset[Colour]
    shows_colour: bool
    denies: bool


VENUE: Final = Policy("venue", frozenset({Colour.GREEN}), shows_colour=False, denies=True)
CHECKPOINT: Final = Policy("checkpoint", frozenset({Colour.GREEN}), shows_colour=True, denies=True)
#: Records and never denies: a code does not stand between a person and care.
HOSPITAL: Final = Policy("hospital", frozenset(Colour), shows_colour=True, denies=False)


@dataclass(frozen=True, slots=True)
class Lists:
    """The signed lists that a verifier holds, all verified.

    Attributes:
        statuses: By list number.
        newest: The latest time at which any list that this verifier ever held was signed: it
            cannot be earlier than that. By default it is found from the lists given here; who
            opens status lists only when needed passes the time that it has noted.
    """

    trust: TrustList
    statuses: Mapping[int, StatusList]
    newest: int = -1

    def __post_init__(self) -> None:
        if self.newest < 0:
            times = [held.issued_at for held in self.statuses.values()]
            object.__setattr__(self, "newest", max(self.trust.issued_at, *times, 0))


def check(text: str, lists: Lists, *, now: int, policy: Policy) -> Outcome:
    """Check the text of a QR code, exactly as it was read.

    Args:
        text: Not trimmed, not folded.
        lists: What this verifier holds.
        now: Its clock, UNIX seconds.
        policy: What this venue does with a code.
    """
    # (1) Transport.
    try:
        data = decode_text(text)
    except TransportError:
        return _outcome(Reason.MALFORMED, policy)
    return check_bytes(data, lists, now=now, policy=policy)


def check_bytes(data: bytes, lists: Lists, *, now: int, policy: Policy) -> Outcome:
    """Check the bytes of a paper code or of a presentation, as `check` does from step 2 on."""
    # (2) Shape. A phone code does not stand alone: it must be presented by its phone.
    presentation: ParsedPresentation | None = None
    try:
        if len(data) == PRESENTATION_BYTES:
            presentation = parse_presentation(data)
            parsed = presentation.code
        else:
            parsed = parse_code(data)
    except (CodeError, PresentationError):
        return _outcome(_wrong_shape(data), policy)
    if parsed.holder_key is not None and presentation is None:
        return _outcome(Reason.MALFORMED, policy)
    reason = _unusable_lists(lists, now)
    if reason is not None:
        return _outcome(reason, policy)
    code = _verified(parsed, lists.trust, now)
    if isinstance(code, Reason):
        return _outcome(code, policy)
    reason = (
        (presentation and _unpresented(presentation, now))
        or _out_of_time(code, presentation, now)
        or _taken_back(code, lists.statuses, now)
    )
    if reason is not None:
        return _outcome(reason, policy)
    # (11) Venue policy. Whether a colour is not admitted, and which, is the same answer.
    admitted = code.colour in policy.admitted
    return _outcome(
        Reason.ADMITTED if admitted else Reason.NOT_ADMITTED,
        policy,
        code.colour if policy.shows_colour else None,
    )


def _wrong_shape(data: bytes) -> Reason:
    """(2) Whether these bytes are another signed thing of Celadon, which is worth saying."""
    start = data[:_TYP_WITHIN]
    other = data[:1] in _SIGNED_TAGS and any(typ in start for typ in _OTHER_TYPES)
    return Reason.WRONG_TYPE if other or _NOTE_SIGNATURE in data else Reason.MALFORMED


def _unusable_lists(lists: Lists, now: int) -> Reason | None:
    # (3) Clock. It cannot be earlier than a list that was already signed.
    if now < lists.newest:
        return Reason.CLOCK
    # (4) Age of the trust list.
    trust = lists.trust
    if now >= trust.not_after or now - trust.issued_at > MAX_LIST_AGE_S:
        return Reason.STALE_TRUST
    return None


def _verified(code: ParsedCode, trust: TrustList, now: int) -> VerifiedCode | Reason:
    """(5) A known key, (6) allowed to sign this, and (7) its signature."""
    found = trust.find(code.kid)
    if found is None:
        # Unknown is not forged: the list held here may simply not have the key yet.
        return Reason.KEY_WITHDRAWN if code.kid in trust.withdrawn else Reason.UNKNOWN_KEY
    issuer, key = found
    if key.purpose is not Purpose.CODE:
        return Reason.KEY_PURPOSE
    if not key.not_before <= now < key.not_after:
        return Reason.KEY_NOT_IN_FORCE
    if not issuer.first_list <= code.list_number <= issuer.last_list:
        return Reason.OUT_OF_SCOPE
    try:
        return verify_code(code, key.public_key)
    except SignatureError:
        return Reason.BAD_SIGNATURE


def _unpresented(presentation: ParsedPresentation, now: int) -> Reason | None:
    """(8) Whether the phone that owns the code shows it, and now."""
    try:
        verify_presentation(presentation)
    except SignatureError:
        return Reason.BAD_SIGNATURE
    if now - presentation.time > MAX_AGE_S:
        return Reason.PRESENTATION_OLD
    if presentation.time - now > MAX_AHEAD_S:
        return Reason.PRESENTATION_AHEAD
    return None


def _out_of_time(
    code: VerifiedCode, presentation: ParsedPresentation | None, now: int
) -> Reason | None:
    """(9) Both clocks, the verifier's and the phone's, must lie in the code's validity."""
    shown_at = now if presentation is None else presentation.time
    if now < code.not_before or shown_at < code.not_before:
        return Reason.NOT_YET
    if now >= code.exp or shown_at >= code.exp:
        return Reason.EXPIRED
    return None


def _taken_back(code: VerifiedCode, statuses: Mapping[int, StatusList], now: int) -> Reason | None:
    """(10) Status. There is no way around it: no list, no admission."""
    held = statuses.get(code.list_number)
    if held is None or held.list_number != code.list_number:
        return Reason.NO_STATUS
    if now >= held.exp or now - held.issued_at > MAX_LIST_AGE_S:
        return Reason.STALE_STATUS
    if code.status_index >= held.size:
        return Reason.STATUS_UNKNOWN
    status = held.status(code.status_index)
    if status == Status.VALID:
        return None
    return _STATUS_REASONS.get(status, Reason.STATUS_UNKNOWN)


def _outcome(reason: Reason, policy: Policy, colour: Colour | None = None) -> Outcome:
    if colour is None:
        return (_OUTCOMES if policy.denies else _UNDENIED)[reason]
    return Outcome(_kind(reason, denies=policy.denies), reason, colour)


def _kind(reason: Reason, *, denies: bool) -> Kind:
    if not denies and reason.kind is Kind.DO_NOT_ADMIT:
        return Kind.CHECK_AGAIN
    return reason.kind


_STATUS_REASONS: Final[dict[int, Reason]] = {
    Status.WITHDRAWN: Reason.WITHDRAWN,
    Status.SUPERSEDED: Reason.SUPERSEDED,
}
_OUTCOMES: Final = {reason: Outcome(reason.kind, reason) for reason in Reason}
_UNDENIED: Final = {reason: Outcome(_kind(reason, denies=False), reason) for reason in Reason}

# What _wrong_shape looks for: the typ of our other envelopes near their start, and the signature
# line of a checkpoint (a C2SP signed note).
_TYP_WITHIN: Final = 64
_SIGNED_TAGS: Final = (b"\xd2", b"\xd8")  # COSE_Sign1; COSE_Sign has two bytes, D8 62
_OTHER_TYPES: Final = (b"application/statuslist+cwt", b"application/celadon-")
_NOTE_SIGNATURE: Final = "\n\n\u2014 ".encode()
