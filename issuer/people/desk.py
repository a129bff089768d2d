"""What a clerk does for a person at the desk: look up, and print a code. Shell.

Everything about the person passes through `audit.gate`: allowed or not, logged, and only then
loaded. Somebody whom we do not know is asked for in the same way, counts in the same quotas and is
in the log like everybody else; the clerk then gets nothing. docs/privacy.md, "At the desk".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from audit.access import AccessRequest, Field, Purpose
from audit.gate import Gate, Opened, Refused
from issuer.codes.issue import CodeRequest, Issued, Withheld, issue
from issuer.codes.issue import Refused as IssueRefused
from issuer.colour.decisions import Decision, evidence_of
from issuer.colour.evidence import Evidence, Kind
from issuer.colour.origins import given_reasons, how_to_appeal
from issuer.errors import TooManyCodesError
from issuer.people.own import decide
from issuer.people.people import SUBJECT_BYTES, People
from issuer.rules.ruletypes import Texts
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from verifier.transport import encode_text

__all__ = ["ByIdentityNumber", "ByNameAndPhone", "Clerk", "Desk", "Explained", "Whom"]

_IDENTITY: Final = frozenset({Field.NAME, Field.PHONE, Field.ID_NUMBER})
_DECISION: Final = frozenset({Field.COLOUR, Field.REASONS})


@dataclass(frozen=True, slots=True, repr=False)
class ByIdentityNumber:
    """As `issuer.people.identity` normalises it, read off the card."""

    identity_number: str


@dataclass(frozen=True, slots=True, repr=False)
class ByNameAndPhone:
    """As `issuer.people.identity` normalises them."""

    name: str
    phone: str


Whom: TypeAlias = ByIdentityNumber | ByNameAndPhone


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who asks, and about which case. That this is the clerk is the session's work."""

    principal: str
    organisation: str
    case: str


class Explained(NamedTuple):
    """The value of `Field.REASONS`: what the clerk reads out to somebody without a phone.

    *changes_at*: UNIX seconds, when the colour becomes another one by itself, if ever.
    """

    reasons: tuple[Texts, ...]
    what_to_do: Texts
    how_to_appeal: Texts
    changes_at: int | None


class Desk:
    """Blocks: call it in a thread.

    Args:
        gate: The one door.
        people: To find and decrypt.
        writer: To decide and to issue.
        clock: The present second.
    """

    __slots__ = ("_clock", "_gate", "_people", "_writer")

    def __init__(
        self, gate: Gate, people: People, writer: Writer, *, clock: Callable[[], int]
    ) -> None:
        self._gate = gate
        self._people = people
        self._writer = writer
        self._clock = clock

    def look_up(
        self, clerk: Clerk, purpose: Purpose, whom: Whom, fields: frozenset[Field]
    ) -> Opened | Refused:
        """Some fields of one person; none of them where nobody is found.

        Raises:
            AuditError: The log cannot be written: nothing was read.
        """
        return self._open(clerk, purpose, whom, fields, self._load)

    def print_code(self, clerk: Clerk, whom: Whom, idempotency_key: str) -> Opened | Refused:
        """A paper code for a person at the desk, with the name to print beside it.

        The value of `Field.CODES` is the text of the code; there is none while the colour is
        pending, or where the person holds as many codes as anybody may. The same key gives the same
        code again.
        """
        fields = frozenset({Field.NAME, Field.COLOUR, Field.CODES})
        load = partial(self._load, idempotency_key=idempotency_key)
        return self._open(clerk, Purpose.DESK_ISSUE, whom, fields, load)

    def _open(
        self,
        clerk: Clerk,
        purpose: Purpose,
        whom: Whom,
        fields: frozenset[Field],
        load: Callable[[bytes, frozenset[Field]], Mapping[Field, object]],
    ) -> Opened | Refused:
        digest = self._digest(whom)
        found = self._people.find(digest)
        # Nobody has this subject, and nobody can tell whom it stands for without the pepper.
        subject = digest[:SUBJECT_BYTES] if found is None else found
        request = AccessRequest(
            principal=clerk.principal,
            organisation=clerk.organisation,
            purpose=purpose,
            case=clerk.case,
            subject=subject,
            fields=fields,
        )
        loader = _nothing if found is None else load
        return self._gate.open(request, loader, now=self._clock())

    def _digest(self, whom: Whom) -> bytes:
        match whom:
            case ByIdentityNumber(identity_number):
                return self._people.digest_of_identity_number(identity_number)
            case ByNameAndPhone(name, phone):
                return self._people.digest_of_name_and_phone(name, phone)

    def _load(
        self, subject: bytes, fields: frozenset[Field], *, idempotency_key: str = ""
    ) -> Mapping[Field, object]:
        values: dict[Field, object] = {}
        if fields & _IDENTITY:
            identity = self._people.identity_of(subject)
            values |= {
                Field.NAME: identity.name,
                Field.PHONE: identity.phone,
                Field.ID_NUMBER: identity.identity_number,
            }
        if fields & _DECISION:
            values |= self._decided(subject)
        if Field.CODES in fields and idempotency_key:
            values |= self._printed(subject, idempotency_key)
        kinds = {Field(kind.value): kind for kind in Kind}
        if fields & kinds.keys():
            records = self._evidence(subject)
            values |= {
                field: tuple(record for record in records if record.kind is kind)
                for field, kind in kinds.items()
            }
        return {field: value for field, value in values.items() if field in fields}

    def _decided(self, subject: bytes) -> dict[Field, object]:
        def work(tx: Tx) -> Done[Decision]:
            return decide(tx, subject)

        decision = self._writer.run(work, now=self._clock())
        rules, contact = self._writer.authority.rules, self._writer.authority.issuer.contact
        reasons = given_reasons(decision.reasons)
        explained = Explained(
            tuple(given.texts(rules) for given in reasons),
            rules.what_to_do[decision.verdict],
            how_to_appeal(reasons, contact),
            decision.changes_at,
        )
        return {Field.COLOUR: decision.verdict, Field.REASONS: explained}

    def _printed(self, subject: bytes, idempotency_key: str) -> dict[Field, object]:
        request = CodeRequest(subject, idempotency_key)
        (made,) = self._writer.run(lambda tx: issue(tx, [request]), now=self._clock())
        match made:
            case Issued(codes=codes):
                return {Field.CODES: encode_text(codes[0])}
            case Withheld() | IssueRefused(TooManyCodesError()):
                return {}
            case IssueRefused(error):
                raise error

    def _evidence(self, subject: bytes) -> list[Evidence]:
        with read_store(self._writer.engine) as store:
            return evidence_of(store, [subject])[subject]


def _nothing(_subject: bytes, _fields: frozenset[Field]) -> Mapping[Field, object]:
    return {}
