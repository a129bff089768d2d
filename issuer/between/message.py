"""What one region tells another: a closed set of contents, and their one encoding. Pure.

    payload = {1: sender, 2: receiver, 3: kid of the receiving key, 4: id, 5: number,
               6: issued_at, 7: kind, 8: content}

Records carry neither source nor origin on the way: the source is the key that signed, the origin
is the sender, so nobody can tell anything in a third region's name.
Spec page: docs/spec/region-notice.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from issuer.between.reason import Reason
from issuer.colour.evidence import EARLIEST, EVIDENCE_ID_BYTES, LATEST, Evidence, evidence_from
from issuer.colour.timeline import local_date
from issuer.errors import EvidenceError, InputError, RegionNoticeError
from issuer.people.identity import Identity, normalise
from keys import cbor
from keys.cose import VerifiedPayload
from keys.errors import CborError

__all__ = [
    "ID_BYTES", "MAX_NUMBER", "MAX_RECORDS", "Answer", "Appeal", "Content", "Ground", "Head",
    "Message", "Told", "Withdrawn", "decode_payload", "encode_payload", "kind_of",
]  # fmt: skip

ID_BYTES: Final = 16
#: Records or record ids of one notice. It is about one person.
MAX_RECORDS: Final = 32
#: Nobody numbers beyond this: a million notices a day for a century are fewer.
MAX_NUMBER: Final = 2**40


class Ground(StrEnum):
    """Why a person contests evidence. No free text: it would be about somebody's health."""

    NOT_ME = "not-me"
    NOT_SO = "not-so"
    OUTDATED = "outdated"


@dataclass(frozen=True, slots=True, repr=False)
class Told:
    """Evidence about a person, who is named as the desk would: name, phone, identity number."""

    person: Identity
    records: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The sender takes records of its own back."""

    evidence_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Appeal:
    """Somebody contests these records. Whoever recorded them answers by *deadline*.

    Says nothing about who it is: the sender of the records knows whom they were about.
    """

    appeal_id: bytes
    deadline: int
    ground: Ground
    evidence_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an appeal. *records*: the contested ones again; none: they were wrong."""

    appeal_id: bytes
    records: tuple[Evidence, ...]

    @property
    def is_upheld(self) -> bool:
        return bool(self.records)


Content: TypeAlias = Told | Withdrawn | Appeal | Answer

_KINDS: Final[dict[type[Content], int]] = {Told: 1, Withdrawn: 2, Appeal: 3, Answer: 4}


@dataclass(frozen=True, slots=True)
class Head:
    """All but the content.

    Attributes:
        sender: GB/T 2260, six digits, of the issuer that signs.
        receiver: Of the one that it is for.
        receiving_kid: Of the key that it is sealed for. In the signed part, so that whoever
            opens it cannot seal it anew for somebody else and have it believed there.
        message_id: 16 random bytes; all that a carrier sees beside the regions and the size.
        number: 1, 2, 3, ... for this pair of regions, without a gap.
        issued_at: UNIX seconds, the `recorded_at` of its records.
    """

    sender: str
    receiver: str
    receiving_kid: bytes
    message_id: bytes
    number: int
    issued_at: int


@dataclass(frozen=True, slots=True)
class Message:
    """One notice, every field checked."""

    head: Head
    content: Content


def kind_of(content: Content) -> int:
    """The number of its kind, as on the wire."""
    return _KINDS[type(content)]


def encode_payload(message: Message) -> bytes:
    """The bytes that the sender signs."""
    head = message.head
    return cbor.encode(
        {
            1: head.sender, 2: head.receiver, 3: head.receiving_kid, 4: head.message_id,
            5: head.number, 6: head.issued_at, 7: kind_of(message.content),
            8: _encoded(message.content),
        }
    )  # fmt: skip


def decode_payload(payload: VerifiedPayload, *, source: str) -> Message:
    """The message of a payload whose signature was verified.

    Does not compare it with the envelope that it came in, nor with a clock.

    Args:
        payload: As signed.
        source: The kid, in hex, of the key that signed it: the source of its records.

    Raises:
        RegionNoticeError: CONTENT, and which part.
    """
    try:
        value = cbor.decode(payload, max_bytes=len(payload))
    except CborError as error:
        raise _wrong(str(error)) from error
    match value:
        case {
            1: str(sender), 2: str(receiver), 3: bytes(kid), 4: bytes(message_id),
            5: int(number), 6: int(issued_at), 7: int(kind), 8: list(parts), **others,
        } if not others:  # fmt: skip
            pass
        case _:
            raise _wrong("not the eight members")
    if type(kind) is not int:  # in Python true is 1
        raise _wrong("kind: not a number")
    if type(number) is not int or not 1 <= number < MAX_NUMBER:
        raise _wrong("number: out of range")
    if type(issued_at) is not int or not EARLIEST <= issued_at < LATEST:
        raise _wrong("issued_at: not an instant of this century")
    if len(message_id) != ID_BYTES:
        raise _wrong("id: not 16 bytes")
    head = Head(sender, receiver, kid, message_id, number, issued_at)
    return Message(head, _decoded(kind, parts, head, source))


def _encoded(content: Content) -> list[object]:
    match content:
        case Told(person, records):
            identity = [person.name, person.phone, person.identity_number]
            return [identity, _record_fields(records)]
        case Withdrawn(evidence_ids):
            return list(evidence_ids)
        case Appeal(appeal_id, deadline, ground, evidence_ids):
            return [appeal_id, deadline, ground.value, list(evidence_ids)]
        case Answer(appeal_id, records):
            return [appeal_id, _record_fields(records)]


def _record_fields(records: Iterable[Evidence]) -> list[object]:
    return [[r.evidence_id, r.kind.value, r.at, r.until, r.place, r.value] for r in records]


def _decoded(kind: int, parts: list[cbor.Value], head: Head, source: str) -> Content:
    match kind, parts:
        case 1, [list(person), list(records)]:
            found = _records(records, head, source)
            if not found:
                raise _wrong("no record at all")
            return Told(_person(person, head.issued_at), found)
        case 2, evidence_ids:
            return Withdrawn(_ids(evidence_ids))
        case 3, [bytes(appeal_id), int(deadline), str(ground), list(evidence_ids)]:
            if len(appeal_id) != ID_BYTES or not head.issued_at <= deadline < LATEST:
                raise _wrong("appeal: its id or deadline")
            if ground not in set(Ground):
                raise _wrong("appeal: a ground that is not in the list")
            return Appeal(appeal_id, deadline, Ground(ground), _ids(evidence_ids))
        case 4, [bytes(appeal_id), list(records)] if len(appeal_id) == ID_BYTES:
            return Answer(appeal_id, _records(records, head, source))
        case _:
            raise _wrong("no kind of notice has this shape")


def _records(values: list[cbor.Value], head: Head, source: str) -> tuple[Evidence, ...]:
    if len(values) > MAX_RECORDS:
        raise _wrong(f"{len(values)} records, at most {MAX_RECORDS}")
    found = []
    for value in values:
        if not isinstance(value, list) or len(value) != 6:  # noqa: PLR2004 - the six on the wire
            raise _wrong("record: not its six fields")
        try:
            found.append(evidence_from([*value, source, head.sender, head.issued_at]))
        except EvidenceError as error:
            raise _wrong(str(error)) from error
    if len({record.evidence_id for record in found}) != len(found):
        raise _wrong("record: an id stands twice")
    return tuple(found)


def _ids(values: list[cbor.Value]) -> tuple[bytes, ...]:
    ids = tuple(value for value in values if isinstance(value, bytes))
    if not 1 <= len(values) <= MAX_RECORDS or len(set(ids)) != len(values):
        raise _wrong(f"ids: not 1 to {MAX_RECORDS} different ones")
    if any(len(value) != EVIDENCE_ID_BYTES for value in ids):
        raise _wrong("ids: not 16 bytes each")
    return ids


def _person(fields: list[cbor.Value], at: int) -> Identity:
    """Only in the one spelling that is stored and looked up, so that one person is found once."""
    match fields:
        case [str(name), str() | None as phone, str() | None as number] if phone or number:
            pass
        case _:
            raise _wrong("person: not a name with a phone or an identity number")
    try:
        normal = normalise(name, phone, number, today=local_date(at))
    except InputError as error:
        raise _wrong(f"person: {error}") from error
    if normal != Identity(name, phone, number):
        raise _wrong("person: not in the normal spelling")
    return normal


def _wrong(why: str) -> RegionNoticeError:
    return RegionNoticeError(Reason.CONTENT, why)
