"""What the story does to the system, in small steps; the words are in `issuer.demo.story`."""

import os
import re
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from issuer.colour.decisions import Decision
from issuer.colour.declare import Declared
from issuer.colour.evidence import Evidence
from issuer.colour.origins import given_reasons, how_to_appeal
from issuer.colour.regions import load_regions
from issuer.demo.cast import Fact, Part
from issuer.people.desk import ByIdentityNumber, ByNameAndPhone, Whom
from issuer.people.outbox import LocalOutbox
from issuer.people.own import decide, declare
from issuer.rules.ruletypes import Verdict
from issuer.stage import Province

__all__ = [
    "SIGNS",
    "colour_lines",
    "decided",
    "enrol",
    "flip_one_byte",
    "name_of",
    "record_of",
    "whom",
]

_CHINA: Final = timezone(timedelta(hours=8))
_CODE: Final = re.compile(r"验证码 ([0-9]{6})")
SIGNS: Final = {
    Verdict.GREEN: "绿 green", Verdict.YELLOW: "黄 yellow", Verdict.RED: "红 red",
    Verdict.PENDING: "待定 pending",
}  # fmt: skip


def name_of(part: Part) -> str:
    return f"{part.identity.name} {part.english}"


def enrol(province: Province, part: Part) -> bytes:
    """Register, bind where there is a phone, and declare; the person's 16 bytes."""
    enrolment = province.office.enrolment
    subject = enrolment.register(part.identity, part.home).subject
    phone = part.identity.phone
    if phone is not None:
        request = enrolment.ask(part.identity.name, phone)
        subject = enrolment.confirm(request, _code_sent_to(province, phone)).subject
    if part.declared:
        said = [Declared(f.kind, f.value, f.at, place=f.place) for f in part.declared]
        province.office.writer.run(
            lambda tx: declare(tx, subject, said), now=province.office.clock()
        )
    return subject


def _code_sent_to(province: Province, phone: str) -> str:
    """The one-time code in a text message: the embedded delivery is a folder."""
    for message in LocalOutbox(province.office.settings.outbox).messages():
        found = _CODE.search(message.text.zh)
        if message.phone == phone and found is not None:
            return found.group(1)
    raise LookupError("no code was sent")


def record_of(province: Province, fact: Fact) -> Evidence:
    """A fact as the province's source of evidence records it."""
    return Evidence(
        os.urandom(16), fact.kind, fact.at, None, fact.place, fact.value,
        province.source.kid.hex(), province.office.settings.region, province.office.clock(),
    )  # fmt: skip


def whom(part: Part) -> Whom:
    """How a clerk finds somebody: by the card, or by name and phone."""
    identity = part.identity
    if identity.identity_number is not None:
        return ByIdentityNumber(identity.identity_number)
    return ByNameAndPhone(identity.name, identity.phone or "")


def decided(province: Province, subject: bytes) -> Decision:
    office = province.office
    return office.writer.run(lambda tx: decide(tx, subject), now=office.clock())


def colour_lines(province: Province, part: Part, decision: Decision) -> list[str]:
    """What is known, the colour, why, what to do, how to appeal, and when it changes by itself."""
    authority = province.office.writer.authority
    rules, given = authority.rules, given_reasons(decision.reasons)
    verdict = decision.verdict
    reasons = [reason.texts(rules) for reason in given]
    to_do, appeal = rules.what_to_do[verdict], how_to_appeal(given, authority.issuer.contact)
    match decision.changes_at:
        case None:
            until = "only when something new is known"
        case rules.valid_until:
            until = f"only when something new is known; the rules end {_time(rules.valid_until)}"
        case at:
            until = _time(at)
    return [
        f"lives in {load_regions().full_name(part.home)}",
        *(_known(fact, "his or her own word") for fact in part.declared),
        *(_known(fact, "signed by the CDC") for fact in part.reported),
        f"-> {SIGNS[verdict]}",
        *(f"   {reason['zh']}。 {reason['en']}." for reason in reasons),
        f"   {to_do['zh']} {to_do['en']}",
        *([] if verdict is Verdict.GREEN else [f"   {appeal['zh']} {appeal['en']}"]),
        f"   changes by itself: {until}",
    ]


def _known(fact: Fact, source: str) -> str:
    where = f" {load_regions().full_name(fact.place)}" if fact.place else ""
    return f"{fact.kind.value}: {fact.value}{where}, {_time(fact.at)}, {source}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, _CHINA).strftime("%Y-%m-%d %H:%M")


def flip_one_byte(database: Path, copy: Path) -> tuple[int, int]:
    """Copy a log's database and flip one byte of it, inside the record of an entry.

    Gives the entry's leaf index and where in the file the byte is.
    """
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
        ((index, body),) = target.execute(
            "SELECT leaf_index, body FROM log_entries ORDER BY leaf_index DESC LIMIT 1 OFFSET 9"
        )
    content = bytearray(copy.read_bytes())
    at = content.index(body) + len(body) // 2
    content[at] ^= 1
    copy.write_bytes(content)
    return index, at
