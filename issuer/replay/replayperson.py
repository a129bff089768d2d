"""The replay of one person: key, evidence, decision, colour and codes against the log. Shell."""

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audit.events import Event, Kind
from issuer.codes.batches import BatchHead, codes_of, issued_event
from issuer.colour.assess import Assessed, assess
from issuer.colour.decisions import Decision, decided_event, record_from
from issuer.colour.evidence import Evidence
from issuer.colour.evidence_store import evidence_digest
from issuer.colour.origins import reasons_text
from issuer.colour.policy import read_risk_table, read_rules
from issuer.colour.risk import RiskTable
from issuer.errors import EvidenceError, IntegrityError, SealError
from issuer.recovery.reconcile import issued_by_key
from issuer.replay.findings import Finding, Topic
from issuer.replay.replayhistory import grounds
from issuer.replay.replaylists import Positions
from issuer.rules.ruletypes import RuleSet
from issuer.storage.core import Authority, Secrets
from issuer.storage.sealing import unwrap
from issuer.storage.store import Row, Store
from verifier.claims import Colour, ParsedCode, parse_code
from verifier.errors import CodeError

__all__ = ["PersonCheck", "Said"]


@dataclass(slots=True)
class Said:
    """What the tables and the log say about one subject. Rows begin with the subject."""

    people: list[Row] = field(default_factory=list)
    evidence: list[Row] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    batches: list[Row] = field(default_factory=list)
    identities: list[Row] = field(default_factory=list)
    entries: list[Row] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def of(self, kind: Kind) -> list[Event]:
        return [event for event in self.events if event.kind is kind]


class PersonCheck:
    """Checks one person after the other, and notes the positions of their codes."""

    def __init__(  # noqa: PLR0913 - all that a person is held against
        self,
        store: Store,
        secrets: Secrets,
        authority: Authority,
        positions: Positions,
        *,
        restored: Sequence[int],
        now: int,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._authority = authority
        self._positions = positions
        self._restored = restored
        self._now = now
        self._rules: dict[tuple[str, int], RuleSet | None] = {}
        self._risks: dict[int, RiskTable | None] = {}
        self.codes = 0
        self.signed: Counter[bytes] = Counter()

    def findings(self, subject: bytes, said: Said) -> Iterator[Finding]:
        """All that does not fit about one subject."""
        if not said.people:
            yield Finding(Topic.KEY, subject, "the log or a table knows them, and there is no key")
        key = self._key(said)
        if said.of(Kind.PERSON_ERASED):
            if key is None:
                self._forgotten(said)
                return
            yield Finding(Topic.KEY, subject, "erased, and has a key again")
        if said.people and key is None:
            yield Finding(Topic.KEY, subject, "does not open")
        for topic, why in self._about(said, key):
            yield Finding(topic, subject, why)

    def _forgotten(self, said: Said) -> None:
        """What nobody can open any more counts for as much as the log says, and for no more."""
        there = {row[1] for row in said.batches}
        issued = [e for e in said.of(Kind.CODES_ISSUED) if e.event_id in there]
        signed = issued_by_key(issued)
        self.signed += signed
        self._positions.unknown += signed.total()
        for event in said.of(Kind.CODES_TAKEN_BACK):
            count = event.details["codes"]
            self._positions.unknown_taken += count if isinstance(count, int) else 0

    def _about(self, said: Said, key: bytes | None) -> Iterator[tuple[Topic, str]]:
        # Whoever is not found registers as somebody new, and leaves the evidence behind.
        if said.of(Kind.PERSON_REGISTERED) and not (said.identities and said.entries):
            yield Topic.PERSON, "registered, and has no identity or no index entry any more"
        records = _records(said)
        if records is None:
            yield Topic.EVIDENCE, "a row that is no evidence"
        elif _digests(records) != _logged_digests(said):
            yield Topic.EVIDENCE, "not the records that were recorded"
        yield from self._decision(said, records)
        yield from self._past(said, records or [])
        yield from self._batches(said, key)

    def _key(self, said: Said) -> bytes | None:
        if len(said.people) != 1:
            return None
        ((subject, wrapped, created_at),) = said.people
        try:
            return unwrap(wrapped, kek=self._secrets.kek, subject=subject, created_at=created_at)
        except (SealError, OverflowError):
            return None

    def _decision(self, said: Said, records: list[Evidence] | None) -> Iterator[tuple[Topic, str]]:
        logged = said.of(Kind.DECIDED)
        if [decided_event(Decision(*row)) for row in said.decisions] != logged[-1:]:
            yield Topic.DECISION, "not the last one in the log"
        elif records is not None:
            for row in said.decisions:
                yield from self._colour(Decision(*row), records)

    def _past(self, said: Said, records: list[Evidence]) -> Iterator[tuple[Topic, str]]:
        """The decisions before the present one: whoever was red for an hour counts as well."""
        past = [*grounds(said.events, records, self._restored)][:-1]
        if any(decided.details["evidence"] != ground.commitment for decided, ground in past):
            yield Topic.EVIDENCE, "an earlier decision rests on other records than were recorded"
        elif not all(self._follows(decided, ground.records) for decided, ground in past):
            yield Topic.COLOUR, "the rules gave another colour earlier"

    def _follows(self, decided: Event, records: list[Evidence] | None) -> bool:
        """Whether a logged decision has the colour of its rules, as far as that can be told."""
        match decided.details:
            case {"rules": str(name), "version": int(version), "risks": int(risk_version)}:
                rules, risks = self._rules_of(name, version), self._risks_of(risk_version)
            case _:
                return False
        if records is None or rules is None or risks is None:
            return True
        colour, *_ = self._outcome(rules, records, risks, decided.at)
        return colour == decided.details["colour"]

    def _colour(self, decision: Decision, records: list[Evidence]) -> Iterator[tuple[Topic, str]]:
        """The same outcome from the same evidence, rules and risks at the same instant."""
        rules = self._rules_of(decision.rule_set, decision.rule_version)
        risks = self._risks_of(decision.risk_version)
        if rules is None or risks is None:
            yield Topic.COLOUR, "decided by rules or risks that were never adopted"
            return
        at = decision.decided_at
        if self._outcome(rules, records, risks, at) != decision.says():
            yield Topic.COLOUR, "the rules give another outcome"
        present = (self._authority.rules.id, self._authority.rules.version)
        newer = (
            rules.id,
            rules.version,
        ) != present or risks.version != self._authority.risks.version
        due = decision.changes_at is not None and decision.changes_at <= self._now
        if newer or due:
            present_risks = self._authority.risks
            outcome = self._outcome(self._authority.rules, records, present_risks, self._now)
            if outcome[0] != decision.colour:
                yield Topic.LATE, "the colour should have changed by now"

    def _outcome(
        self, rules: RuleSet, records: list[Evidence], risks: RiskTable, at: int
    ) -> tuple[object, ...]:
        """As `Decision.says`, computed here and not by the code that decided."""
        outcome = assess(rules, records, risks, at)
        return (
            int(outcome.colour) if isinstance(outcome, Assessed) else None,
            outcome.rule_set,
            outcome.rule_version,
            outcome.evidence_commitment,
            reasons_text(outcome, records, self._authority.issuer.region),
            outcome.changes_at,
        )

    def _batches(self, said: Said, key: bytes | None) -> Iterator[tuple[Topic, str]]:
        issued = {event.event_id: event for event in said.of(Kind.CODES_ISSUED)}
        taken = _taken_back(said)
        colours = _colours_at_issue(said)
        for subject, *columns, taken_back in said.batches:
            row: Row = (columns[0], subject, *columns[1:])
            event = issued.pop(row[0], None)
            back = taken.pop(row[0], None)
            if taken_back != (None if back is None else back.event_id):
                yield Topic.BATCH, "taken back without a word in the log, or the other way round"
            codes = _open(row, key)
            if key is None or codes is None:
                yield Topic.BATCH, "does not open"
                continue
            head = BatchHead(row[0], subject, row[2], row[3], Colour(row[4]), row[5], row[6])
            if event is None or issued_event(head, codes, key=key) != event:
                yield Topic.BATCH, "not the codes that the log knows"
            elif colours[event.event_id] != event.details["colour"]:
                yield Topic.BATCH, "codes of another colour than the decision"
            yield from self._codes(codes, head, back)
        if issued:
            yield Topic.BATCH, f"{len(issued)} batches are gone"
        if taken:
            yield Topic.BATCH, f"{len(taken)} batches were taken back and are gone"

    def _codes(
        self, codes: list[bytes], head: BatchHead, back: Event | None
    ) -> Iterator[tuple[Topic, str]]:
        for code in codes:
            self.codes += 1
            try:
                parsed = parse_code(code)
            except CodeError:
                yield Topic.BATCH, "holds something that is no code"
                continue
            self.signed[parsed.kid] += 1
            wrong = self._positions.use(parsed, _taken(parsed, back))
            if wrong is not None:
                yield Topic.POSITION, wrong
            if parsed.colour is not head.colour or parsed.exp > head.exp:
                yield Topic.BATCH, "a code of another colour, or one that lives too long"

    def _rules_of(self, rule_set: str, version: int) -> RuleSet | None:
        name = rule_set, version
        if name not in self._rules:
            try:
                self._rules[name] = read_rules(self._store, self._authority.trust, *name)
            except IntegrityError:
                self._rules[name] = None
        return self._rules[name]

    def _risks_of(self, version: int) -> RiskTable | None:
        if version not in self._risks:
            try:
                self._risks[version] = read_risk_table(self._store, self._authority.trust, version)
            except IntegrityError:
                self._risks[version] = None
        return self._risks[version]


def _records(said: Said) -> list[Evidence] | None:
    try:
        return [record_from(row) for row in said.evidence]
    except (EvidenceError, ValueError):
        return None


def _digests(records: list[Evidence]) -> dict[bytes, bytes]:
    return {record.evidence_id: evidence_digest(record) for record in records}


def _logged_digests(said: Said) -> dict[object, object]:
    """What the log says is there: recorded, and not retracted since."""
    there: dict[object, object] = {}
    for event in said.events:
        if event.kind is Kind.EVIDENCE_RECORDED:
            there[event.details["id"]] = event.details["digest"]
        elif event.kind is Kind.EVIDENCE_RETRACTED:
            there.pop(event.details["id"], None)
    return there


def _taken(code: ParsedCode, back: Event | None) -> tuple[int, int] | None:
    """The status that the event gave this code, and when; None where it was over already."""
    if back is None or code.exp <= back.at:
        return None
    status = back.details["status"]
    return (status, back.at) if isinstance(status, int) else None


def _taken_back(said: Said) -> dict[bytes, Event]:
    """Batch id to the event that took it back."""
    taken: dict[bytes, Event] = {}
    for event in said.of(Kind.CODES_TAKEN_BACK):
        ids = event.details["batches"]
        if isinstance(ids, bytes):
            taken |= {ids[i : i + 16]: event for i in range(0, len(ids), 16)}
    return taken


def _colours_at_issue(said: Said) -> dict[bytes, object]:
    """Batch id to the colour that was decided when the batch was made."""
    colours: dict[bytes, object] = {}
    colour: object = None
    for event in said.events:
        if event.kind is Kind.DECIDED:
            colour = event.details["colour"]
        elif event.kind is Kind.CODES_ISSUED:
            colours[event.event_id] = colour
    return colours


def _open(row: Row, key: bytes | None) -> list[bytes] | None:
    try:
        return None if key is None else codes_of(row, key=key)
    except (SealError, struct.error):
        return None
