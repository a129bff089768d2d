"""The main job, chapter by chapter, told on the state of the country of 13 December 2020."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Final

from audit.access import Field, Grant, Organisation, Purpose, Role
from audit.database import open_engine
from audit.gate import Opened, Refused
from audit.record import Access, open_proof, own_record
from audit.verify import Broken, Verified, verify_log
from issuer.codes.issue import CodeRequest, Issued, Withheld, issue
from issuer.codes.lists import SPREAD_S
from issuer.colour.evidence_store import take_notice
from issuer.colour.notice import Entry, Notice, sign_notice
from issuer.colour.regions import load_regions
from issuer.colour.risk import RiskLevel
from issuer.demo.cast import CONTROLLED, NOW, PEOPLE, RISEN, TRAVELLER, Part
from issuer.demo.country import Country
from issuer.demo.doing import (
    SIGNS,
    colour_lines,
    decided,
    enrol,
    flip_one_byte,
    name_of,
    record_of,
    whom,
)
from issuer.demo.telling import Teller, code_png, code_size
from issuer.people.desk import Clerk
from issuer.replay.replay import Replay
from issuer.rules.ruletypes import Verdict
from issuer.stage import Province
from keys.instants import format_time
from keys.signer import SeedSigner
from verifier.presentation import sign_presentation
from verifier.transport import encode_text

__all__ = ["Story"]

_HOSPITAL: Final = Organisation("xian-first-hospital", "西安市第一医院", "Xi'an First Hospital")
_CENTRE: Final = Organisation(
    "beilin-service-centre", "碑林区政务服务中心", "Beilin District Service Centre"
)
_QUOTA: Final = 30
_GRANT_S: Final = 90 * 24 * 3600
_MINUTE_S: Final = 60
_GRANDMOTHER: Final = PEOPLE[0]


class StoryError(Exception):
    """Something did not happen as the story says. Then the system is wrong, or the story is."""


class Story:
    """The chapters in their order. Each leaves what the next one needs."""

    def __init__(self, country: Country, teller: Teller) -> None:
        self._country = country
        self._teller = teller
        self._subjects: dict[str, bytes] = {}
        self._shown: dict[str, str] = {}

    def tell(self) -> None:
        self._keys_and_risks()
        self._people()
        self._colours()
        self._codes()
        self._doors()
        self._risk_rises()
        self._desk()
        self._audit()
        self._tampering()
        self._look_around()

    # --- 1 ---

    def _keys_and_risks(self) -> None:
        say, country = self._teller.say, self._country
        self._teller.chapter("Keys, a trust list, the risk table of 13 December 2020")
        trust = country.shaanxi.office.writer.authority.trust
        say(
            f"Two of three roots signed trust list {trust.version}: "
            + ", ".join(
                f"{issuer.name_zh} {issuer.name_en} ({issuer.region}), {len(issuer.keys)} keys"
                for issuer in trust.issuers
            )
            + "."
        )
        table = country.shaanxi.office.writer.authority.risks
        regions = load_regions()
        say("The notice names three of 13 areas of medium risk. Here, every other place is low:")
        for place in table.places_at(RiskLevel.MEDIUM, NOW):
            source = "invented for this story" if place == CONTROLLED else "from the notice"
            say(f"  {regions.full_name(place)}  {regions.place(place).en}  ({source})")
        country.publish()

    # --- 2 ---

    def _people(self) -> None:
        self._teller.chapter("People register, bind by name + phone + one-time code, and declare")
        shaanxi, heilongjiang = self._country.shaanxi, self._country.heilongjiang
        for part in self._teller.progress(PEOPLE, "Registering"):
            self._subjects[part.slug] = enrol(shaanxi, part)
        self._subjects[TRAVELLER.slug] = enrol(heilongjiang, TRAVELLER)
        reported = [
            Entry(self._subjects[part.slug], record_of(shaanxi, fact))
            for part in PEOPLE
            for fact in part.reported
        ]
        notice = Notice(
            number=1,
            issued_at=self._country.clock(),
            region=shaanxi.office.settings.region,
            source=shaanxi.source.kid.hex(),
            entries=tuple(reported),
            retractions=(),
        )
        signed = sign_notice(notice, shaanxi.source)
        shaanxi.office.writer.run(lambda tx: take_notice(tx, signed), now=self._country.clock())
        self._teller.say(
            f"{len(PEOPLE)} people in Shaanxi, one in Heilongjiang. The centre for disease control "
            f"reported {len(reported)} facts in one signed notice. Names and numbers are sealed "
            "under a key per person; from here on everybody is 16 random bytes."
        )

    # --- 3 ---

    def _colours(self) -> None:
        self._teller.chapter("Colours: a pure function of rules, evidence, risk table and time")
        for part in (*PEOPLE, TRAVELLER):
            province = self._province_of(part)
            decision = decided(province, self._subjects[part.slug])
            self._teller.card(name_of(part), colour_lines(province, part, decision))

    # --- 4 ---

    def _codes(self) -> None:
        self._teller.chapter("Codes: minted, checked by the verifier's own check, logged, released")
        folder = self._country.out / "codes"
        folder.mkdir()
        fields = frozenset({Field.NAME, Field.COLOUR, Field.CODES})
        clerk = self._clerk("clerk-3", _CENTRE, Purpose.DESK_ISSUE, fields, "PAPER-20201213-5")
        for part in (*PEOPLE, TRAVELLER):
            at_desk = part.identity.phone is None
            text = self._print(clerk, part) if at_desk else self._issue(part)
            if text is None:
                self._teller.say(f"{name_of(part)}: no code while the colour is pending.")
                continue
            self._shown[part.slug] = text
            (folder / f"{part.slug}.txt").write_text(text + "\n")
            (folder / f"{part.slug}.png").write_bytes(code_png(text))
            where = "as the phone shows it now" if part.phone_code else "on paper"
            printed = f", printed by a clerk of {_CENTRE.name_zh}" if at_desk else ""
            self._teller.say(f"{name_of(part)}, {where}{printed}: QR version {code_size(text)}")
            self._teller.code(text)
        self._country.publish()

    def _issue(self, part: Part) -> str | None:
        """The text that a person shows, or None while pending."""
        province, now = self._province_of(part), self._country.clock()
        phone = SeedSigner(os.urandom(32))
        keys = (phone.public_key,) if part.phone_code else ()
        request = CodeRequest(self._subjects[part.slug], "demo", keys)
        (result,) = province.office.writer.run(lambda tx: issue(tx, [request]), now=now)
        match result:
            case Issued(codes=(code,)):
                shown = sign_presentation(code, phone, now=now) if part.phone_code else code
                return encode_text(shown)
            case Withheld():
                return None
            case other:
                raise StoryError(f"no code: {type(other).__name__}")

    def _print(self, clerk: Clerk, part: Part) -> str | None:
        """The paper code of somebody without a phone, through the gate like every look-up."""
        match self._country.shaanxi.office.desk.print_code(clerk, whom(part), f"demo-{part.slug}"):
            case Opened(values=values):
                text = values.get(Field.CODES)
                return text if isinstance(text, str) else None
            case Refused(reason=reason):
                raise StoryError(f"the desk may print, but: {reason}")

    def _clerk(
        self,
        name: str,
        organisation: Organisation,
        purpose: Purpose,
        fields: frozenset[Field],
        case: str,
    ) -> Clerk:
        """Somebody who may read *fields* for one purpose, from now on."""
        now = self._country.clock()
        grant = Grant(
            grant_id=os.urandom(16),
            principal=name,
            role=Role.DESK_CLERK,
            organisation=organisation,
            purposes=frozenset({purpose}),
            fields=fields,
            valid_from=now,
            valid_until=now + _GRANT_S,
            granted_by=f"head-of-{organisation.id}",
        )
        self._country.shaanxi.office.gate.grant(grant, now=now)
        return Clerk(name, organisation.id, case)

    # --- 5 ---

    def _doors(self) -> None:
        self._teller.chapter("Doors: celadon-verify reads the pictures, offline")
        self._teller.say(
            "In a low-risk area only special venues check codes at all, says the notice; so these "
            "two doors are of such venues. They learn neither a name nor why."
        )
        venues = {"a door in Xi'an": "venue", "a door in Harbin": "venue-harbin"}
        roots, public = str(self._country.roots_file), str(self._country.public)
        for name, folder in venues.items():
            self._verify("setup", "--roots", roots, "--source", public, folder=folder)
            self._teller.say(f"At {name}:")
            for slug in self._shown:
                picture = self._country.out / "codes" / f"{slug}.png"
                verdict = self._verify(str(picture), folder=folder)
                self._teller.say(f"  {slug:<12} {verdict.rsplit('  [', 1)[0]}")

    def _verify(self, *arguments: str, folder: str = "venue") -> str:
        """Run celadon-verify as venue staff do, on the story's clock; what it printed."""
        now = datetime.fromtimestamp(self._country.clock(), UTC).isoformat()
        lists = str(self._country.out / folder)
        command = [sys.executable, "-m", "verifier", *arguments, "--lists", lists, "--at", now]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode in {2, 3}:
            raise StoryError(done.stderr)
        return done.stdout.strip()

    # --- 6 ---

    def _risk_rises(self) -> None:
        country, regions = self._country, load_regions()
        self._teller.chapter(f"{regions.full_name(RISEN)} rises from low to medium risk")
        self._teller.say("This is invented: what became of this place is not in the notice.")
        now = country.clock.wait(30 * _MINUTE_S)
        authority = country.shaanxi.office.writer.authority
        table = authority.risks.with_change(RISEN, RiskLevel.MEDIUM, now, issued_at=now)
        signed = country.sign_risks(table)
        before = {part.slug: self._colour_of(part) for part in PEOPLE}
        for province in (country.heilongjiang, country.shaanxi):
            done = province.adopt_risks(signed)
            name = province.office.writer.authority.issuer.name_en
            self._teller.say(
                f"{name}: {done.seen} looked at again, {done.recoloured} with another colour."
            )
        for part in PEOPLE:
            after = self._colour_of(part)
            if after != before[part.slug]:
                self._teller.say(f"  {name_of(part)}: {before[part.slug]} -> {after}")
        country.clock.wait(SPREAD_S)
        self._teller.say("Within ten minutes, each at a moment of its own, their codes are marked.")
        country.publish()
        self._verify("update")
        verdict = self._verify(self._shown["he-jing"])
        self._teller.say(f"Her code of half an hour ago, at the door in Xi'an: {verdict}")

    def _colour_of(self, part: Part) -> str:
        return decided(self._province_of(part), self._subjects[part.slug]).verdict.name.lower()

    # --- 7 ---

    def _desk(self) -> None:
        self._teller.chapter("A hospital clerk looks people up; the grandmother reads who looked")
        say, office = self._teller.say, self._country.shaanxi.office
        self._country.clock.wait(_MINUTE_S)
        fields = frozenset({Field.NAME, Field.COLOUR})
        purpose, case = Purpose.HOSPITAL_LOOK_UP, "OPD-20201213-0042"
        clerk = self._clerk("clerk-17", _HOSPITAL, purpose, fields, case)
        queue = [_GRANDMOTHER, *(PEOPLE[1 + turn % (len(PEOPLE) - 1)] for turn in range(_QUOTA))]
        for turn, part in enumerate(self._teller.progress(queue, "The queue"), start=1):
            self._country.clock.wait(_MINUTE_S)
            match office.desk.look_up(clerk, purpose, whom(part), fields):
                case Refused(reason=reason):
                    say(f"Look-up {turn}: refused, {reason}. That is logged too.")
                case Opened(values=values) if part is _GRANDMOTHER:
                    name, colour = values[Field.NAME], values[Field.COLOUR]
                    sign = SIGNS.get(colour) if isinstance(colour, Verdict) else colour
                    say(f"Look-up {turn}, by her identity card: {name}, {sign}")
                case Opened():
                    pass
        self._own_record()

    def _own_record(self) -> None:
        office = self._country.shaanxi.office
        subject = self._subjects[_GRANDMOTHER.slug]
        match own_record(office.gate, office.log, subject, now=self._country.clock.wait(60)):
            case Refused(reason=reason):
                raise StoryError(f"a person may always read who looked, but: {reason}")
            case record:
                self._teller.say(f"{name_of(_GRANDMOTHER)} asks who looked:")
        for access, proof in record:
            open_proof(proof, office.log.key)  # needs the log's public key and nothing else
            self._show(access)
        self._teller.say("Each line came with a proof; all of them verify offline.")

    def _show(self, access: Access) -> None:
        self._teller.say(f"  {access.zh()}")
        self._teller.say(f"  {access.en()}")

    # --- 8 ---

    def _audit(self) -> None:
        self._teller.chapter("An auditor re-hashes the log and recomputes every colour")
        shaanxi = self._country.shaanxi
        self._country.publish()
        match _verify_log(shaanxi, shaanxi.office.settings.audit_database):
            case Broken() as broken:
                raise StoryError(str(broken))
            case Verified(tree_size=size, root_hash=root):
                self._teller.say(f"The log verifies: {size} entries, root {root.hex()[:16]}...")
        writer, log = shaanxi.office.writer, shaanxi.office.log
        now = self._country.clock()
        replay = Replay(writer.engine, log, writer.secrets, writer.authority, now=now)
        findings = [str(finding) for finding in replay.findings()]
        if findings:
            raise StoryError("; ".join(findings))
        self._teller.say(
            f"Recomputed from evidence, rules and risk table: the colours of {replay.people} "
            f"people and the {replay.codes} codes they were given. Nothing differs."
        )

    # --- 9 ---

    def _tampering(self) -> None:
        self._teller.chapter("One byte of the log's database is flipped")
        settings = self._country.shaanxi.office.settings
        private = self._country.out / "private" / settings.region
        copy = private / "audit-flipped.db"
        index, at = flip_one_byte(private / "audit.db", copy)
        self._teller.say(f"In a copy of it: byte {at}, inside the record of entry {index}.")
        match _verify_log(self._country.shaanxi, f"sqlite:///{copy}"):
            case Broken(leaf_index=found) as broken if found == index:
                self._teller.say(f"The audit says: {broken}")
            case other:
                raise StoryError(f"the flipped byte was not found: {other}")

    # --- 10 ---

    def _look_around(self) -> None:
        self._teller.chapter("What is left to look at")
        self._verify("update")
        out = self._country.out.name
        for folder, what in {
            "codes": "each code as text and as a picture to scan",
            "public": "what a web server publishes: lists, keys, rules, the log's proofs",
            "private": "databases and keystores, with passphrases, for this is a demo",
            "venue": "the lists that the door in Xi'an holds",
        }.items():
            self._teller.say(f"  {out}/{folder}: {what}")
        now = format_time(self._country.clock())
        self._teller.say("The story's clock stands still, so tell the door what time it is:")
        for slug in (_GRANDMOTHER.slug, "he-jing"):
            picture = f"{out}/codes/{slug}.png"
            self._teller.say(f"  .venv/bin/celadon-verify --at {now} --lists {out}/venue {picture}")

    def _province_of(self, part: Part) -> Province:
        return self._country.heilongjiang if part is TRAVELLER else self._country.shaanxi


def _verify_log(province: Province, database: str) -> Verified | Broken:
    """As an auditor does, with the log's public key."""
    engine = open_engine(database)
    try:
        return verify_log(engine, province.office.log.key)
    finally:
        engine.dispose()
