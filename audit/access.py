"""Who may read what about whom, and why: limits as values. Pure.

A staff member holds grants. A request names one person, one purpose, one case and the fields
wanted; `decide` answers with the grant that allows it, or with the one reason why not. Everything
here is closed: purposes, roles, fields. There is no wildcard, no search, no export, no flag for
important people, and no request about two people.

`audit.gate` counts the usage from the log and calls `decide` in the transaction that logs the
answer. Nothing here checks that the caller is the principal: that is the session's work.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

__all__ = [
    "DAY_S", "MAX_GRANT_S", "PURPOSE_FIELDS", "ROLE_PURPOSES", "SHIFT_S", "AccessRequest",
    "Allowed", "Decision", "Denied", "DenyReason", "Field", "Grant", "Organisation", "Purpose",
    "Quotas", "Role", "Usage", "decide", "is_case_reference", "own_principal",
    "own_record_grant", "own_record_request", "person_of",
]  # fmt: skip

SHIFT_S: Final = 8 * 3600  # a rolling window: no midnight at which the count starts again
DAY_S: Final = 24 * 3600  # rolling too
MAX_ORGANISATION_NAME: Final = 80
MAX_GRANT_S: Final = 366 * DAY_S  # whoever still needs it then is granted anew
ID_BYTES: Final = 16
_PERSON: Final = "person:"

# Letters for the register, digits for the number. Runs of nine digits or more are refused, so that
# neither an identity number nor a phone number can be written in place of a case.
_CASE: Final = re.compile(r"[A-Z]{2,8}-[0-9]{4,8}(?:-[0-9]{1,8})?", re.ASCII)
_OWN: Final = re.compile(_PERSON + r"[0-9a-f]{32}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.:-]{0,62}[a-z0-9])?", re.ASCII)


class Purpose(StrEnum):
    """Why somebody reads. Nobody reads for another reason."""

    HOSPITAL_LOOK_UP = "hospital-look-up"  # the lane for people without a code
    DESK_ISSUE = "desk-issue"  # a paper code for a person at the desk
    CONTACT_TRACING = "contact-tracing"
    APPEAL = "appeal"
    AUDIT_REPLAY = "audit-replay"
    ACCESS_REVIEW = "access-review"  # an auditor reads who read
    OPENING = "opening"  # from a pseudonym to the person, k of n officers
    OWN_RECORD = "own-record"


class Role(StrEnum):
    DESK_CLERK = "desk-clerk"
    HEALTH_OFFICER = "health-officer"
    AUDITOR = "auditor"
    PERSON = "person"


class Field(StrEnum):
    """What can be read about a person. The evidence kinds are the issuer's closed vocabulary."""

    NAME = "name"
    PHONE = "phone"
    ID_NUMBER = "id-number"
    COLOUR = "colour"
    REASONS = "reasons"
    CODES = "codes"
    ACCESS_RECORD = "access-record"
    CONTACT = "contact"
    RING_CONTACT = "ring-contact"
    ARRIVAL = "arrival"
    RESIDENCE = "residence"
    SYMPTOM = "symptom"
    SAMPLE = "sample"
    RECALL = "recall"
    RESULT = "result"
    SURVEY = "survey"


_EVIDENCE: Final = frozenset({
    Field.CONTACT, Field.RING_CONTACT, Field.ARRIVAL, Field.RESIDENCE, Field.SYMPTOM,
    Field.SAMPLE, Field.RECALL, Field.RESULT, Field.SURVEY,
})  # fmt: skip

#: The most that a purpose can need. A grant may hold less, never more.
PURPOSE_FIELDS: Final[Mapping[Purpose, frozenset[Field]]] = {
    Purpose.HOSPITAL_LOOK_UP: frozenset({Field.NAME, Field.COLOUR, Field.REASONS, Field.SURVEY}),
    # Reasons: whoever gets a code on paper has no other page to read them on.
    Purpose.DESK_ISSUE: frozenset({Field.NAME, Field.COLOUR, Field.REASONS, Field.CODES}),
    Purpose.CONTACT_TRACING: frozenset({
        Field.NAME, Field.PHONE, Field.CONTACT, Field.RING_CONTACT, Field.ARRIVAL, Field.RESIDENCE,
    }),
    Purpose.APPEAL: frozenset({Field.NAME, Field.PHONE, Field.COLOUR, Field.REASONS}) | _EVIDENCE,
    # Replay needs no identity, so it gets none.
    Purpose.AUDIT_REPLAY: frozenset({Field.COLOUR, Field.REASONS}) | _EVIDENCE,
    Purpose.ACCESS_REVIEW: frozenset({Field.ACCESS_RECORD}),
    Purpose.OPENING: frozenset({Field.NAME, Field.PHONE}),
    Purpose.OWN_RECORD: frozenset(Field),
}  # fmt: skip

ROLE_PURPOSES: Final[Mapping[Role, frozenset[Purpose]]] = {
    Role.DESK_CLERK: frozenset({Purpose.HOSPITAL_LOOK_UP, Purpose.DESK_ISSUE}),
    Role.HEALTH_OFFICER: frozenset({Purpose.CONTACT_TRACING, Purpose.APPEAL, Purpose.OPENING}),
    Role.AUDITOR: frozenset({Purpose.AUDIT_REPLAY, Purpose.ACCESS_REVIEW}),
    Role.PERSON: frozenset({Purpose.OWN_RECORD}),
}


class DenyReason(StrEnum):
    """In the order the steps run; of several grants, the one that came furthest is named."""

    NO_GRANT = "no-grant"
    NOT_YET = "not-yet"
    EXPIRED = "expired"
    PURPOSE = "purpose"
    FIELD = "field"
    OWN_RECORD = "own-record"
    NO_CASE = "no-case"
    MALFORMED_CASE = "malformed-case"
    CLOSED_CASE = "closed-case"
    QUOTA_CLERK = "quota-clerk"
    QUOTA_PERSON = "quota-person"
    QUOTA_ORGANISATION = "quota-organisation"


def _check_name(name: str, what: str) -> None:
    if (_OWN if name.startswith(_PERSON) else _NAME).fullmatch(name) is None:
        raise ValueError(f"a {what} has 1 to 64 characters of a-z, 0-9, dot, colon and hyphen")


def _check_id(value: bytes, what: str) -> None:
    if len(value) != ID_BYTES:
        raise ValueError(f"a {what} has {ID_BYTES} bytes, not {len(value)}")


@dataclass(frozen=True, slots=True)
class Organisation:
    """A body that answers for its staff, as the person reads it."""

    id: str
    name_zh: str
    name_en: str

    def __post_init__(self) -> None:
        _check_name(self.id, "organisation")
        for name in (self.name_zh, self.name_en):
            if not 1 <= len(name) <= MAX_ORGANISATION_NAME or not name.isprintable():
                raise ValueError("an organisation's name has 1 to 80 printable characters")


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many reads: by a clerk in a shift, of a person in a day, by an organisation in a day."""

    clerk: int = 30
    person: int = 10
    organisation: int = 2000

    def __post_init__(self) -> None:
        if min(self.clerk, self.person, self.organisation) < 1:
            raise ValueError("a quota is at least 1: grant nothing instead of zero")


@dataclass(frozen=True, slots=True)
class Grant:
    """One person's leave to read, for some purposes, until a day.

    Raises:
        ValueError: Self-granted, without end, longer than a year, or wider than its role's
            purposes or its purposes' fields. Such a grant cannot exist.
    """

    grant_id: bytes  # 16 random bytes; stands for the principal in the log
    principal: str
    role: Role
    organisation: Organisation
    purposes: frozenset[Purpose]
    fields: frozenset[Field]
    valid_from: int
    valid_until: int  # not included
    granted_by: str
    quotas: Quotas = Quotas()
    own_subject: bytes | None = field(default=None, repr=False)  # the clerk's own person record

    def __post_init__(self) -> None:
        _check_id(self.grant_id, "grant id")
        _check_name(self.principal, "principal")
        _check_name(self.granted_by, "granting principal")
        if self.own_subject is not None:
            _check_id(self.own_subject, "own subject")
        if self.role is Role.PERSON:
            if self.own_subject is None or self.principal != own_principal(self.own_subject):
                raise ValueError("the role person is for a person's own record")
        elif self.principal.startswith(_PERSON):
            raise ValueError("a person's principal holds no staff role")
        if self.granted_by == self.principal:
            raise ValueError("nobody grants to themselves")
        if not 0 < self.valid_until - self.valid_from <= MAX_GRANT_S:
            raise ValueError("a grant ends after it begins, and within a year")
        if not self.purposes or not self.purposes <= ROLE_PURPOSES[self.role]:
            raise ValueError(f"purposes beyond the role {self.role}")
        allowed = frozenset[Field]().union(*(PURPOSE_FIELDS[p] for p in self.purposes))
        if not self.fields or not self.fields <= allowed:
            raise ValueError("fields beyond the purposes")


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Some fields of one person, for one purpose and case, asked by an authenticated principal."""

    principal: str
    organisation: str
    purpose: Purpose
    case: str  # "" where the purpose needs none
    subject: bytes = field(repr=False)  # 16 bytes
    fields: frozenset[Field]

    def __post_init__(self) -> None:
        _check_name(self.principal, "principal")
        _check_name(self.organisation, "organisation")
        _check_id(self.subject, "subject")
        if not self.fields:
            raise ValueError("a request names its fields")


@dataclass(frozen=True, slots=True)
class Usage:
    """What the log already holds: reads let in so far, and whether the case is closed."""

    clerk: int = 0  # by this principal within SHIFT_S
    person: int = 0  # of this person, by others, within DAY_S
    organisation: int = 0  # by this organisation within DAY_S
    case_closed: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    grant: Grant
    fields: frozenset[Field]


@dataclass(frozen=True, slots=True)
class Denied:
    reason: DenyReason
    grant: Grant | None = None  # the grant that came closest


Decision: TypeAlias = Allowed | Denied


def decide(grants: Iterable[Grant], request: AccessRequest, usage: Usage, *, now: int) -> Decision:
    """Allowed by one grant as it stands, or denied with the reason of the grant that came closest.

    Grants are never added up: two narrow ones do not make a wide one. But whose record is the
    reader's own is known by all of them.

    Args:
        grants: Any grants; those of other principals or organisations are passed over.
        request: One person, one purpose.
        usage: Counts for this request's principal, subject and organisation.
        now: UNIX seconds.
    """
    order = list(DenyReason)
    best = Denied(DenyReason.NO_GRANT)
    theirs = [grant for grant in grants if grant.principal == request.principal]
    is_own = request.subject in {grant.own_subject for grant in theirs}
    for grant in theirs:
        if grant.organisation.id != request.organisation:
            continue
        reason = _refusal(grant, request, usage, now, is_own=is_own)
        if reason is None:
            return Allowed(grant, request.fields)
        if best.grant is None or order.index(reason) > order.index(best.reason):
            best = Denied(reason, grant)
    return best


def _refusal(
    grant: Grant, request: AccessRequest, usage: Usage, now: int, *, is_own: bool
) -> DenyReason | None:
    # Own reads need no case and are limited by the reader's quota only: they must never use up
    # what a hospital needs.
    own = request.purpose is Purpose.OWN_RECORD
    steps = (
        (now < grant.valid_from, DenyReason.NOT_YET),
        (now >= grant.valid_until, DenyReason.EXPIRED),
        (request.purpose not in grant.purposes, DenyReason.PURPOSE),
        (not request.fields <= grant.fields & PURPOSE_FIELDS[request.purpose], DenyReason.FIELD),
        (own is not is_own, DenyReason.OWN_RECORD),
        (not own and not request.case, DenyReason.NO_CASE),
        (bool(request.case) and not is_case_reference(request.case), DenyReason.MALFORMED_CASE),
        (usage.case_closed, DenyReason.CLOSED_CASE),
        (usage.clerk >= grant.quotas.clerk, DenyReason.QUOTA_CLERK),
        (not own and usage.person >= grant.quotas.person, DenyReason.QUOTA_PERSON),
        (
            not own and usage.organisation >= grant.quotas.organisation,
            DenyReason.QUOTA_ORGANISATION,
        ),
    )
    return next((reason for refused, reason in steps if refused), None)


def is_case_reference(text: str) -> bool:
    """Whether this is the shape of a case reference, like GL-20201213-0042."""
    return _CASE.fullmatch(text) is not None


#: The organisation of everyone who reads their own record.
OWN_ORGANISATION: Final = Organisation("person", "本人", "the person concerned")


def own_principal(subject: bytes) -> str:
    """The principal of a person who reads their own record."""
    return f"{_PERSON}{subject.hex()}"


def person_of(principal: str) -> bytes | None:
    """Whose own principal this is; None for staff."""
    return bytes.fromhex(principal.removeprefix(_PERSON)) if principal.startswith(_PERSON) else None


def own_record_grant(subject: bytes, *, now: int) -> Grant:
    """The standing grant of all people to their own record. Nobody gives it, nobody can take it."""
    return Grant(
        grant_id=subject,
        principal=own_principal(subject),
        role=Role.PERSON,
        organisation=OWN_ORGANISATION,
        purposes=frozenset({Purpose.OWN_RECORD}),
        fields=PURPOSE_FIELDS[Purpose.OWN_RECORD],
        valid_from=now,
        valid_until=now + 1,
        granted_by="law",
        quotas=Quotas(clerk=100),
        own_subject=subject,
    )


def own_record_request(subject: bytes, fields: frozenset[Field]) -> AccessRequest:
    """A person who reads their own record. The session says who it is."""
    return AccessRequest(
        principal=own_principal(subject),
        organisation=OWN_ORGANISATION.id,
        purpose=Purpose.OWN_RECORD,
        case="",
        subject=subject,
        fields=fields,
    )
