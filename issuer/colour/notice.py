"""Notices: how a source hands over evidence, signed. Pure. Spec page: docs/spec/evidence.md.

A notice is a COSE_Sign1 by an EVIDENCE key over a number, a time, a region and lines of text, one
line a record. It is taken whole or not at all; what is wrong is said line by line, without
repeating what the line says.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from issuer.colour.evidence import EARLIEST, LATEST, Evidence, evidence_from
from issuer.errors import EvidenceError, NoticeError
from keys import cbor
from keys.cose import MessageSigner, parse_sign1, sign_sign1, verify_sign1
from keys.ed25519 import PublicKey
from keys.errors import KeysError

__all__ = [
    "EVIDENCE_TYP", "MAX_BYTES", "MAX_LINES", "Entry", "Notice", "Retraction", "sign_notice",
    "verify_notice",
]  # fmt: skip

EVIDENCE_TYP: Final = "application/celadon-evidence+cbor"
MAX_LINES: Final = 100_000
MAX_LINE_CHARS: Final = 256
MAX_BYTES: Final = 1 << 24
#: Of what is wrong, this much is reported.
MAX_REASONS: Final = 100
_INT: Final = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record about a person, who is 16 bytes to the source as well."""

    subject: bytes
    record: Evidence


@dataclass(frozen=True, slots=True)
class Retraction:
    """The source takes a record back, from *at* on (UNIX seconds)."""

    subject: bytes
    evidence_id: bytes
    source: str
    at: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, every line read.

    Attributes:
        number: 1, 2, 3, ... of this source, without a gap.
        issued_at: UNIX seconds; the `recorded_at` of its records.
        region: The division whose authority sends it; the `origin_region` of its records.
        source: The kid of the EVIDENCE key, in hex.
    """

    number: int
    issued_at: int
    region: str
    source: str
    entries: tuple[Entry, ...]
    retractions: tuple[Retraction, ...]


def sign_notice(notice: Notice, signer: MessageSigner) -> bytes:
    """The signed form.

    Raises:
        ValueError: The notice names another source than this key, or would not be accepted.
    """
    if notice.source != signer.kid.hex():
        raise ValueError("the notice names another source")
    text = "".join([*map(_entry_line, notice.entries), *map(_retraction_line, notice.retractions)])
    payload = cbor.encode({1: notice.number, 2: notice.issued_at, 3: notice.region, 4: text})
    signed = sign_sign1(payload, signer, typ=EVIDENCE_TYP)
    if verify_notice(signed, signer.public_key, after=notice.number - 1) != notice:
        raise ValueError("the records are not those of this notice")
    return signed


def verify_notice(data: bytes, public_key: PublicKey, *, after: int) -> Notice:
    """The notice, if this key signed it and it is the next one.

    Does not check that the key may sign evidence for the region: ask the trust list first.

    Args:
        data: The signed form.
        public_key: Of the source.
        after: The number of the last notice of this source that was taken; 0 before the first.

    Raises:
        NoticeError: Anything at all is wrong; then nothing of it may be used.
    """
    try:
        sign1 = parse_sign1(data, typ=EVIDENCE_TYP, max_bytes=MAX_BYTES)
        value = cbor.decode(verify_sign1(sign1, public_key), max_bytes=MAX_BYTES)
    except KeysError as error:
        raise NoticeError(f"notice: {error}") from error
    match value:
        case {1: int(number), 2: int(issued_at), 3: str(region), 4: str(text), **others} if (
            not others and not isinstance(number, bool) and not isinstance(issued_at, bool)
        ):
            pass
        case _:
            raise NoticeError("payload: not number, time, region and lines")
    if number <= after:
        raise NoticeError(f"number {number} was taken before")
    if number != after + 1:
        raise NoticeError(f"number {number} is too early: {after + 1} is missing")
    if not EARLIEST <= issued_at < LATEST:
        raise NoticeError("issued_at: not an instant of this century")
    head = Notice(number, issued_at, region, sign1.kid.hex(), (), ())
    return _with_lines(head, text)


def _entry_line(entry: Entry) -> str:
    record = entry.record
    until = "-" if record.until is None else str(record.until)
    return (
        f"{entry.subject.hex()} {record.evidence_id.hex()} {record.kind.value} {record.at} {until}"
        f" {record.place or '-'} {record.value}\n"
    )


def _retraction_line(item: Retraction) -> str:
    return f"{item.subject.hex()} {item.evidence_id.hex()} retracted\n"


def _with_lines(head: Notice, text: str) -> Notice:
    """*head* with every line of *text*, or the reasons why not."""
    lines = _split(text)
    entries: list[Entry] = []
    retractions: list[Retraction] = []
    wrong: list[tuple[int, str]] = []
    seen: set[bytes] = set()
    for number, line in enumerate(lines, start=1):
        try:
            item = _item(line, head, seen)
        except EvidenceError as error:
            wrong.append((number, str(error)))
            continue
        if isinstance(item, Entry):
            entries.append(item)
        else:
            retractions.append(item)
    if wrong:
        raise NoticeError(f"{len(wrong)} of {len(lines)} lines are wrong", wrong[:MAX_REASONS])
    return replace(head, entries=tuple(entries), retractions=tuple(retractions))


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    if lines.pop() != "":
        raise NoticeError("the last line has no end")
    if not lines:
        raise NoticeError("no line at all")
    if len(lines) > MAX_LINES:
        raise NoticeError(f"{len(lines)} lines, at most {MAX_LINES} in one notice")
    return lines


def _item(line: str, head: Notice, seen: set[bytes]) -> Entry | Retraction:
    if len(line) > MAX_LINE_CHARS or not line.isascii() or not line.isprintable():
        raise EvidenceError("too long, or not printable ASCII")
    match line.split(" "):
        case [subject, evidence_id, "retracted"]:
            return Retraction(_id(subject), _once(evidence_id, seen), head.source, head.issued_at)
        case [subject, evidence_id, kind, at, until, place, value]:
            fields = [
                _once(evidence_id, seen), kind, _int(at), None if until == "-" else _int(until),
                "" if place == "-" else place, value, head.source, head.region, head.issued_at,
            ]  # fmt: skip
            return Entry(_id(subject), evidence_from(fields))
        case _:
            raise EvidenceError("not seven fields with one space between them, nor a retraction")


def _once(text: str, seen: set[bytes]) -> bytes:
    evidence_id = _id(text)
    if evidence_id in seen:
        raise EvidenceError("the id stands on an earlier line as well")
    seen.add(evidence_id)
    return evidence_id


def _id(text: str) -> bytes:
    if not _HEX.fullmatch(text):
        raise EvidenceError("an id is not 32 hex digits")
    return bytes.fromhex(text)


def _int(text: str) -> int:
    if not _INT.fullmatch(text):
        raise EvidenceError("a time is not a plain number of seconds")
    return int(text)
