"""A small issuer: two databases, fixed keys, people with evidence. Each test changes one part."""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from audit.database import create_tables, open_engine
from audit.log import Log
from audit.models import metadata as audit_metadata
from issuer.codes.issue import CodeRequest, Issued, Result, issue
from issuer.colour.adoption import adopt_risk_table, adopt_rules
from issuer.colour.evidence import Evidence, Kind
from issuer.colour.evidence_store import record_evidence
from issuer.colour.notice import Entry
from issuer.colour.risk import RiskLevel, RiskTable, sign_risk_table
from issuer.models import metadata
from issuer.replay.findings import Finding
from issuer.replay.replay import Replay
from issuer.rules.rules import shipped_rules, sign_rules
from issuer.rules.ruletypes import RuleSet
from issuer.storage.core import Authority, Secrets
from issuer.storage.sealing import NONCE_BYTES, wrap
from issuer.storage.store import read_store
from issuer.storage.writer import Writer
from keys.ed25519 import PublicKey
from keys.lifecycle import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustlist import ListedIssuer, ListedKey, Roots, TrustList

__all__ = [
    "COMPOUND", "NOW", "SECRETS", "Desk", "authority", "contact", "desk", "entered",
    "holder_keys", "lives", "seeded", "signer", "subject",
]  # fmt: skip

#: 13 December 2020, 12:00 in China.
NOW: Final = 1_607_832_000
DAY_S: Final = 86_400
#: A compound in Suifenhe, outside Shaanxi; it was at low risk until somebody changes that.
COMPOUND: Final = "231081-qingyun"
RULE_SET: Final = "shaanxi-2020-12"
SECRETS: Final = Secrets(kek=b"k" * 32, positions=b"p" * 32, rows=b"r" * 32)


def seeded(name: str) -> Callable[[int], bytes]:
    """Randomness that is the same in every run."""
    counter = itertools.count()

    def draw(size: int) -> bytes:
        return hashlib.shake_256(f"{name} {next(counter)}".encode()).digest(size)

    return draw


def signer(name: str) -> SeedSigner:
    return SeedSigner(hashlib.sha256(b"issuing test " + name.encode()).digest())


def subject(number: int) -> bytes:
    return hashlib.sha256(b"subject %d" % number).digest()[:16]


def holder_keys(count: int, *, first: int = 0) -> tuple[PublicKey, ...]:
    return tuple(signer(f"holder {first + i}").public_key for i in range(count))


def listed_issuer(now: int, *, first_list: int = 1000, last_list: int = 1999) -> ListedIssuer:
    window = (now - 30 * DAY_S, now + 400 * DAY_S)
    return ListedIssuer(
        region="610000",
        name_zh="陕西",
        name_en="Shaanxi",
        status_base="https://shaanxi.example/status/",
        first_list=first_list,
        last_list=last_list,
        contact="https://shaanxi.example/help",
        keys=tuple(
            ListedKey(signer(purpose.value).public_key, purpose, *window)
            for purpose in (Purpose.CODE, Purpose.STATUS, Purpose.EVIDENCE, Purpose.RULES)
        ),
    )


def trust_list(issuer: ListedIssuer, now: int) -> TrustList:
    return TrustList(
        version=1,
        issued_at=now - 3600,
        next_update=now + DAY_S,
        not_after=now + 30 * DAY_S,
        roots=Roots(1, 1, (signer("root").public_key,), Environment.TEST),
        issuers=(issuer,),
        withdrawn=frozenset(),
    )


def rule_set(now: int = NOW) -> RuleSet:
    return shipped_rules(RULE_SET, now=now)


def authority(now: int = NOW, *, first_list: int = 1000, last_list: int = 1999) -> Authority:
    issuer = listed_issuer(now, first_list=first_list, last_list=last_list)
    return Authority(
        issuer=issuer,
        trust=trust_list(issuer, now),
        rules=rule_set(now),
        risks=RiskTable(1, now - DAY_S, ()),
        code_keys=(signer(Purpose.CODE.value),),
        evidence_key=signer(Purpose.EVIDENCE.value),
    )


def _evidence(number: int, kind: Kind, value: str, at: int, place: str = "") -> Evidence:
    evidence_id = hashlib.sha256(f"{number} {kind} {value} {at} {place}".encode()).digest()[:16]
    source = signer(Purpose.EVIDENCE.value).kid.hex()
    return Evidence(evidence_id, kind, at, None, place, value, source, "610000", at)


def lives(number: int, place: str = "610102", *, at: int = NOW - 100 * DAY_S) -> Entry:
    return Entry(subject(number), _evidence(number, Kind.RESIDENCE, "lives", at, place))


def entered(number: int, place: str = COMPOUND, *, at: int = NOW - DAY_S) -> Entry:
    return Entry(subject(number), _evidence(number, Kind.ARRIVAL, "entered", at, place))


def contact(number: int, *, at: int = NOW - DAY_S) -> Entry:
    return Entry(subject(number), _evidence(number, Kind.CONTACT, "confirmed", at))


@dataclass
class Desk:
    """An issuer's back office for tests."""

    engine: Engine
    audit_engine: Engine
    log: Log
    writer: Writer

    def add_people(self, numbers: Sequence[int], *, now: int = NOW) -> None:
        """People without evidence; each lives somewhere only when the test says so."""
        rows = []
        for number in numbers:
            nonce, key = (hashlib.sha256(b"%d %d" % (number, i)).digest() for i in range(2))
            wrapped = wrap(
                key, kek=SECRETS.kek, subject=subject(number), created_at=now,
                nonce=nonce[:NONCE_BYTES],
            )  # fmt: skip
            rows.append({"subject": subject(number), "wrapped_key": wrapped, "created_at": now})
        with self.engine.begin() as connection:
            connection.execute(metadata.tables["subject"].insert(), rows)

    def record(self, *entries: Entry, now: int = NOW) -> None:
        self.writer.run(lambda tx: record_evidence(tx, entries), now=now)

    def residents(self, count: int, *, now: int = NOW) -> None:
        """People 0 to *count* who live in Xi'an and are green."""
        self.add_people(range(count), now=now)
        self.record(*(lives(number) for number in range(count)), now=now)

    def issue(self, *requests: CodeRequest, now: int = NOW) -> list[Result]:
        """One transaction for all of these requests."""
        return self.writer.run(lambda tx: issue(tx, requests), now=now)

    def paper(self, *numbers: int, key: str = "paper", now: int = NOW) -> list[Issued]:
        """One paper code for each of these people, who must have a colour."""
        results = self.issue(*(CodeRequest(subject(n), key) for n in numbers), now=now)
        assert all(isinstance(result, Issued) for result in results), results
        return [result for result in results if isinstance(result, Issued)]

    def raise_risk(self, place: str, level: RiskLevel, *, now: int = NOW) -> None:
        """Adopt a risk table in which *place* has this level; re-assesses nobody."""
        risks = self.writer.authority.risks.with_change(place, level, now, issued_at=now)
        signed = sign_risk_table(risks, signer(Purpose.RULES.value))
        self.writer.run(lambda tx: adopt_risk_table(tx, signed), now=now)

    def adopt(self, rules: RuleSet, *, now: int = NOW) -> None:
        signed = sign_rules(rules, signer(Purpose.RULES.value))
        self.writer.run(lambda tx: adopt_rules(tx, signed), now=now)

    def colours(self) -> dict[bytes, int | None]:
        with read_store(self.engine) as store:
            return dict(store.rows("SELECT subject, colour FROM decision"))

    def findings(self, *, now: int = NOW) -> list[Finding]:
        run = Replay(self.engine, self.log, SECRETS, self.writer.authority, now=now)
        return list(run.findings())


@contextmanager
def desk(
    url: str, folder: Path, *, authority: Authority, name: str | None = "desk", adopted: bool = True
) -> Iterator[Desk]:
    """Open (or make) the databases at *url* and beside it; *adopted*: with rules and risks."""
    engine = open_engine(url)
    audit_engine = open_engine(f"sqlite:///{folder}/audit.db")
    create_tables(engine, metadata)
    create_tables(audit_engine, audit_metadata)
    # Nobody may draw the same ids twice; only benches need what cannot be repeated.
    draw, log_draw = (
        (os.urandom, os.urandom) if name is None else (seeded(name), seeded(name + " log"))
    )
    try:
        log = Log(audit_engine, signer("checkpoint"), "celadon.test/log", randomness=log_draw)
        writer = Writer(engine, log, SECRETS, authority, randomness=draw)
        opened = Desk(engine, audit_engine, log, writer)
        if adopted:
            opened.adopt(authority.rules, now=NOW - 1)
            signed = sign_risk_table(authority.risks, signer(Purpose.RULES.value))
            writer.run(lambda tx: adopt_risk_table(tx, signed), now=NOW - 1)
        yield opened
    finally:
        engine.dispose()
        audit_engine.dispose()
