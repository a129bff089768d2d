"""The check: may this code be accepted, here and now? Pure. Spec page: docs/spec/code.md.

The steps carry the numbers of the spec page. Every result is a value with a reason, and of one of
four kinds. Nothing that a stranger can put into a QR code raises.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from keys.dataclasses import dataclass, field
from keys.errors import SignatureError
from keys.purpose import Purpose
from keys.trustlist import ListedIssuer, TrustList
from verifier.claims import Colour, ParsedCode, VerifiedCode, parse_code, verify_code
from verifier.errors import (
    CodeError,
    PresentationError,
    StatusListIndexError,
    TransportError,
)
from verifier.presentation import (
    MAX_AGE_S,
    MAX_AHEAD_S,
    PRESENTATION_BYTES,
    ParsedPresentation,
    parse_presentation,
    verify_presentation,
)
from verifier.statuslist import MAX_LIST_AGE_S, Status, StatusList
from verifier.transport import decode_text

__all__ = [
    "CHECKPOINT", "HOSPITAL", "VENUE", "Kind", "Lists", "Outcome", "Policy",
    "Reason", "check", "check_bytes", "check_code",
]  # fmt: skip


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
    ISSUER_ENDED = "issuer-ended"
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
    Reason.ISSUER_ENDED: Kind.CHECK_AGAIN,
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
        successor: Whose codes count instead, a region on the trust list, when the issuer has ended.
    """

    kind: Kind
    reason: Reason
    colour: Colour | None = None
    successor: str | None = None

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
        refuses_repeats: Whether a phone code that was admitted here moments ago is refused
            (`verifier.repeats`; the check itself remembers nothing).
        verdicts: The outcome for each colour, when nothing else speaks against the code.
        refusals: The outcome for each reason of the steps before.
    """

    name: str
    admitted: frozenset[Colour]
    shows_colour: bool
    denies: bool
    refuses_repeats: bool
    verdicts: Mapping[Colour, Outcome] = field(init=False, repr=False, compare=False)
    refusals: Mapping[Reason, Outcome] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        verdicts = {colour: self._verdict(colour) for colour in Colour}
        object.__setattr__(self, "verdicts", verdicts)
        refusals = {reason: self._outcome(reason, None) for reason in Reason}
        object.__setattr__(self, "refusals", refusals)

    def _verdict(self, colour: Colour) -> Outcome:
        reason = Reason.ADMITTED if colour in self.admitted else Reason.NOT_ADMITTED
        return self._outcome(reason, colour if self.shows_colour else None)

    def _outcome(self, reason: Reason, colour: Colour | None) -> Outcome:
        kind = reason.kind
        if kind is Kind.DO_NOT_ADMIT and not self.denies:
            kind = Kind.CHECK_AGAIN
        return Outcome(kind, reason, colour)


_GREEN: Final = frozenset({Colour.GREEN})
VENUE: Final = Policy("venue", _GREEN, shows_colour=False, denies=True, refuses_repeats=False)
CHECKPOINT: Final = Policy(
    "checkpoint", _GREEN, shows_colour=True, denies=True, refuses_repeats=True
)
#: Records and never denies: a code does not stand between a person and care.
HOSPITAL: Final = Policy(
    "hospital", frozenset(Colour), shows_colour=True, denies=False, refuses_repeats=False
)


@dataclass(frozen=True, slots=True)
class Lists:
    """The signed lists that a verifier holds, all verified.

    Attributes:
        statuses: By list number.
        newest: The latest time at which any list that this verifier ever held was signed: it
            cannot be earlier than that. By default it is found from what is given here; who
            opens status lists only when needed passes the time that it has noted.
        confirmed: The latest time at which an issuer's snapshot named this trust list as the one in
            force: offline roots need not sign every day (ADR 0008). Never: -1.
        trust_from: The trust list's age counts from here: its issue, or when it was confirmed.
        trust_ends: The first second at which the trust list decides nothing any more.
    """

    trust: TrustList
    statuses: Mapping[int, StatusList]
    newest: int = -1
    confirmed: int = -1
    trust_from: int = field(init=False)
    trust_ends: int = field(init=False)

    def __post_init__(self) -> None:
        times = [self._issued_at(number) for number in self.statuses] if self.newest < 0 else []
        newest = max(self.newest, self.trust.issued_at, self.confirmed, *times)
        object.__setattr__(self, "newest", newest)
        trust_from = max(self.trust.issued_at, self.confirmed)
        trust_ends = min(self.trust.not_after, trust_from + MAX_LIST_AGE_S + 1)
        object.__setattr__(self, "trust_from", trust_from)
        object.__setattr__(self, "trust_ends", trust_ends)

    def _issued_at(self, list_number: int) -> int:
        held = self.statuses[list_number]
        if held.list_number != list_number:
            raise ValueError(f"list {held.list_number} in the place of list {list_number}")
        return held.issued_at


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
        return policy.refusals[Reason.MALFORMED]
    return check_bytes(data, lists, now=now, policy=policy)


def check_bytes(data: bytes, lists: Lists, *, now: int, policy: Policy) -> Outcome:
    """Check the bytes of a paper code or of a presentation, as `check` does from step 2 on."""
    try:
        colour = _colour(data, lists, now)
    except _RefusedError as refused:
        outcome = policy.refusals[refused.reason]
        if refused.successor is None:
            return outcome
        return Outcome(outcome.kind, outcome.reason, None, refused.successor)
    # (11) Venue policy. Whether a colour is not admitted, and which, is the same answer.
    return policy.verdicts[colour]


def check_code(data: bytes, trust: TrustList, *, now: int) -> VerifiedCode | Reason:
    """A code by itself: steps 2 and 5 to 8. For its issuer, before the code is released.

    No door calls this: a phone code needs its phone, and every code its status.
    """
    try:
        code = _verified(_parsed(data), trust, now)
        if not code.not_before <= now < code.exp:
            return _untimely(code, now)
    except _RefusedError as refused:
        return refused.reason
    return code


class _RefusedError(Exception):
    """A step refuses. Never leaves this module: what leaves it is an `Outcome`."""

    def __init__(self, reason: Reason, successor: str | None = None) -> None:
        self.reason = reason
        self.successor = successor


def _colour(data: bytes, lists: Lists, now: int) -> Colour:
    """Steps 2 to 10: the colour of a code that is genuine, shown by its owner, and in force."""
    # (2) Shape. A phone code does not stand alone: its phone must present it.
    presentation = None
    if len(data) == PRESENTATION_BYTES:
        presentation = _parsed_presentation(data)
        parsed = presentation.code
    else:
        parsed = _parsed(data)
        if parsed.holder_key is not None:
            raise _RefusedError(Reason.MALFORMED)
    # (3) Clock: it cannot be earlier than a list that was already signed.
    if now < lists.newest:
        raise _RefusedError(Reason.CLOCK)
    # (4) Age of the trust list.
    if now >= lists.trust_ends:
        raise _RefusedError(Reason.STALE_TRUST)
    code = _verified(parsed, lists.trust, now)
    if not code.not_before <= now < code.exp:
        raise _RefusedError(_untimely(code, now))
    if presentation is not None:
        _require_presented(presentation, code, now)
    _require_status(code, lists.statuses, now)
    return code.colour


def _parsed(data: bytes) -> ParsedCode:
    try:
        return parse_code(data)
    except CodeError as error:
        raise _RefusedError(_wrong_shape(data)) from error


def _parsed_presentation(data: bytes) -> ParsedPresentation:
    try:
        return parse_presentation(data)
    except PresentationError as error:
        raise _RefusedError(_wrong_shape(data)) from error


def _wrong_shape(data: bytes) -> Reason:
    """(2) Whether these bytes are another signed thing of Celadon, which is worth saying."""
    start = data[:_TYP_WITHIN]
    other = data[:1] in _SIGNED_TAGS and any(typ in start for typ in _OTHER_TYPES)
    return Reason.WRONG_TYPE if other or _NOTE_SIGNATURE in data else Reason.MALFORMED


def _verified(code: ParsedCode, trust: TrustList, now: int) -> VerifiedCode:
    # (5) A known key. Unknown is not forged: this trust list may simply not have the key yet.
    found = trust.find(code.kid)
    if found is None:
        dead = code.kid in trust.withdrawn
        raise _RefusedError(Reason.KEY_WITHDRAWN if dead else Reason.UNKNOWN_KEY)
    # (6) A key that may sign this, now.
    issuer, key = found
    if key.purpose is not _FOR_CODES:
        raise _RefusedError(Reason.KEY_PURPOSE)
    if not key.not_before <= now < key.not_after:
        raise _out_of_force(issuer, now)
    if not issuer.first_list <= code.list_number <= issuer.last_list:
        raise _RefusedError(Reason.OUT_OF_SCOPE)
    # (7) Its signature, over the bytes as received.
    try:
        return verify_code(code, key.public_key)
    except SignatureError as error:
        raise _RefusedError(Reason.BAD_SIGNATURE) from error


def _out_of_force(issuer: ListedIssuer, now: int) -> _RefusedError:
    """(6) Why a key does not count now.

    No code key outlives its issuer's grace, so an issuer that has ended costs no check a step.
    """
    ending = issuer.ending
    if ending is not None and now >= ending.grace_until:
        return _RefusedError(Reason.ISSUER_ENDED, ending.successor)
    return _RefusedError(Reason.KEY_NOT_IN_FORCE)


def _untimely(code: VerifiedCode, at: int) -> Reason:
    # (8) Time.
    return Reason.NOT_YET if at < code.not_before else Reason.EXPIRED


def _require_presented(presentation: ParsedPresentation, code: VerifiedCode, now: int) -> None:
    # (9) The phone that owns the code shows it, now, and within the code's validity.
    try:
        verify_presentation(presentation)
    except SignatureError as error:
        raise _RefusedError(Reason.BAD_SIGNATURE) from error
    if now - presentation.time > MAX_AGE_S:
        raise _RefusedError(Reason.PRESENTATION_OLD)
    if presentation.time - now > MAX_AHEAD_S:
        raise _RefusedError(Reason.PRESENTATION_AHEAD)
    if not code.not_before <= presentation.time < code.exp:
        raise _RefusedError(_untimely(code, presentation.time))


def _require_status(code: VerifiedCode, statuses: Mapping[int, StatusList], now: int) -> None:
    # (10) Status. There is no way around it: no list, no admission.
    held = statuses.get(code.list_number)
    if held is None:
        raise _RefusedError(Reason.NO_STATUS)
    if now >= held.ends:
        raise _RefusedError(Reason.STALE_STATUS)
    try:
        status = held.status(code.status_index)
    except StatusListIndexError as error:
        raise _RefusedError(Reason.STATUS_UNKNOWN) from error
    if status:
        raise _RefusedError(_STATUS_REASONS.get(status, Reason.STATUS_UNKNOWN))


_STATUS_REASONS: Final[dict[int, Reason]] = {  # VALID is 0
    Status.WITHDRAWN: Reason.WITHDRAWN,
    Status.SUPERSEDED: Reason.SUPERSEDED,
}
_FOR_CODES: Final = Purpose.CODE  # looking a member of an enum up takes longer than comparing it

# What _wrong_shape looks for: the typ of our other envelopes near their start, and the signature
# line of a checkpoint (a C2SP signed note).
_TYP_WITHIN: Final = 64
_SIGNED_TAGS: Final = (b"\xd2", b"\xd8")  # COSE_Sign1; COSE_Sign has two bytes, D8 62
_OTHER_TYPES: Final = (b"application/statuslist+cwt", b"application/celadon-")
_NOTE_SIGNATURE: Final = "\n\n\u2014 ".encode()
