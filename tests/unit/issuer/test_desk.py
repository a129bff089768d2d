"""A clerk's desk: through the gate, logged before it is loaded, and the person can read it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from audit.access import DenyReason, Field, Grant, Organisation, Purpose, Quotas, Role
from audit.gate import Gate, Opened, Refused
from audit.record import own_record
from issuer.codes.issue import MAX_CODES, MAX_HELD, CodeRequest
from issuer.colour.declare import Declared
from issuer.colour.evidence import Kind
from issuer.colour.timeline import end_of_day_after
from issuer.people.binding import Sessions
from issuer.people.desk import ByIdentityNumber, ByNameAndPhone, Clerk, Desk, Explained, Whom
from issuer.people.enrolment import Enrolment
from issuer.people.identity import Identity
from issuer.people.own import declare
from issuer.people.people import People
from issuer.rules.ruletypes import Verdict
from tests.issuing_support import NOW, SECRETS, authority, desk, holder_keys
from tests.issuing_support import Desk as BackOffice
from tests.web_support import Phones, enrolment_over
from verifier.check import Reason, check_code
from verifier.claims import Colour
from verifier.transport import decode_text

HOSPITAL = Organisation("hospital-xian-4", "西安市第四医院", "Xi'an No. 4 Hospital")
CLERK = Clerk("clerk-17", HOSPITAL.id, "GL-20201213-0042")
NUMBER = "11010519491231002X"
GRANDMOTHER = Identity("王秀兰", None, NUMBER)
LOOKED_UP = frozenset({Field.NAME, Field.COLOUR, Field.REASONS, Field.SURVEY})


@dataclass
class Place:
    back: BackOffice
    people: People
    enrolment: Enrolment
    gate: Gate
    desk: Desk
    grandmother: bytes

    def look_up(self, whom: Whom, clerk: Clerk = CLERK) -> Opened | Refused:
        return self.desk.look_up(clerk, Purpose.HOSPITAL_LOOK_UP, whom, LOOKED_UP)


def _grant(**changes: object) -> Grant:
    grant = Grant(
        grant_id=b"grant of clerk17",
        principal=CLERK.principal,
        role=Role.DESK_CLERK,
        organisation=HOSPITAL,
        purposes=frozenset({Purpose.HOSPITAL_LOOK_UP, Purpose.DESK_ISSUE}),
        fields=LOOKED_UP | {Field.CODES},
        valid_from=NOW - 86400,
        valid_until=NOW + 86400,
        granted_by="chief-of-staff",
    )
    return replace(grant, **changes)  # type: ignore[arg-type] # the test knows


@pytest.fixture
def place(engine_url: str, tmp_path: Path) -> Iterator[Place]:
    with desk(engine_url, tmp_path, authority=authority()) as back:
        people, enrolment = enrolment_over(
            back, Sessions(back.engine, SECRETS.rows), Phones(), lambda: NOW
        )
        gate = Gate(back.audit_engine, back.log)
        gate.grant(_grant(), now=NOW)
        counter = Desk(gate, people, back.writer, clock=lambda: NOW)
        grandmother = enrolment.register(GRANDMOTHER, "610113").subject
        yield Place(back, people, enrolment, gate, counter, grandmother)


def test_look_up_by_identity_number_gives_the_allowed_fields(place: Place) -> None:
    """Name, colour and reasons in both languages for a person who only has a card."""
    opened = place.look_up(ByIdentityNumber(NUMBER))
    assert isinstance(opened, Opened)
    assert opened.values[Field.NAME] == "王秀兰"
    assert opened.values[Field.COLOUR] is Verdict.GREEN
    explained = opened.values[Field.REASONS]
    assert isinstance(explained, Explained)
    assert [set(reason) for reason in explained.reasons] == [{"zh", "en"}]
    assert opened.values.keys() == LOOKED_UP
    assert opened.values[Field.SURVEY] == ()


def test_look_up_for_paper_tells_all_that_the_person_needs_to_know(place: Place) -> None:
    """Who is red and has no phone hears why, what to do, until when, and where to appeal."""
    said = [Declared(Kind.SYMPTOM, "fever", NOW)]
    place.back.writer.run(lambda tx: declare(tx, place.grandmother, said), now=NOW)
    fields = frozenset({Field.COLOUR, Field.REASONS})
    opened = place.desk.look_up(CLERK, Purpose.DESK_ISSUE, ByIdentityNumber(NUMBER), fields)
    assert isinstance(opened, Opened)
    assert opened.values[Field.COLOUR] is Verdict.RED
    explained = opened.values[Field.REASONS]
    assert isinstance(explained, Explained)
    authority = place.back.writer.authority
    assert explained.reasons == (authority.rules.rule("red-symptom").reason,)
    assert explained.what_to_do == authority.rules.what_to_do[Verdict.RED]
    assert authority.issuer.contact in explained.how_to_appeal["zh"]
    assert explained.changes_at == end_of_day_after(NOW, 14)


def test_look_up_by_name_and_phone(place: Place) -> None:
    """The other entry of the index leads to the person too."""
    made = place.enrolment.register(Identity("李强", "+8613900139000"), "610113")
    opened = place.look_up(ByNameAndPhone("李强", "+8613900139000"))
    assert isinstance(opened, Opened)
    assert opened.values[Field.NAME] == "李强"
    assert made.is_new


def test_look_up_is_read_by_the_person_with_organisation_and_case(place: Place) -> None:
    """The person reads who looked, from where, why and at what, with a proof."""
    place.look_up(ByIdentityNumber(NUMBER))
    record = own_record(place.gate, place.back.log, place.grandmother, now=NOW)
    assert not isinstance(record, Refused)
    looked, _own = record
    assert looked[0].organisation_zh == HOSPITAL.name_zh
    assert looked[0].case == CLERK.case
    assert set(looked[0].fields) == LOOKED_UP
    assert looked[1].startswith(b"c2sp.org/tlog-proof@v1")


def test_look_up_of_somebody_unknown_is_logged_and_counts(place: Place) -> None:
    """Trying out numbers uses up the quota like every other look-up, and gives nothing."""
    unknown = ByIdentityNumber("11010519491231003X")
    size = place.back.log.size()
    answers = [place.look_up(unknown) for _ in range(10)]
    assert all(isinstance(answer, Opened) and answer.values == {} for answer in answers)
    assert place.back.log.size() == size + 10
    refused = place.look_up(unknown)
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.QUOTA_PERSON


def test_look_up_the_31st_in_a_shift_is_refused_and_loads_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clerk's quota holds whoever is asked about (C117)."""
    for i in range(30):
        assert isinstance(place.look_up(ByIdentityNumber(f"1101051949123{i:05}")), Opened)
    loaded: list[bytes] = []
    monkeypatch.setattr(People, "identity_of", lambda _self, subject: loaded.append(subject))
    refused = place.look_up(ByIdentityNumber(NUMBER))
    assert isinstance(refused, Refused)
    assert refused.reason is DenyReason.QUOTA_CLERK
    assert loaded == []


@pytest.mark.parametrize(
    ("clerk", "reason"),
    [
        (replace(CLERK, principal="clerk-18"), DenyReason.NO_GRANT),
        (replace(CLERK, organisation="hospital-elsewhere"), DenyReason.NO_GRANT),
        (replace(CLERK, case=""), DenyReason.NO_CASE),
        (replace(CLERK, case="王秀兰"), DenyReason.MALFORMED_CASE),
    ],
)
def test_look_up_without_leave_is_refused(place: Place, clerk: Clerk, reason: DenyReason) -> None:
    """No grant, another organisation, no case: nothing is read, and it is logged (C117)."""
    size = place.back.log.size()
    refused = place.look_up(ByIdentityNumber(NUMBER), clerk)
    assert isinstance(refused, Refused)
    assert refused.reason is reason
    assert place.back.log.size() == size + 1


def test_print_code_is_a_paper_code_that_a_verifier_reads(place: Place) -> None:
    """The printed text is a code of the person's colour; the same key prints the same again."""
    opened = place.desk.print_code(CLERK, ByIdentityNumber(NUMBER), "desk-print-000001")
    assert isinstance(opened, Opened)
    text = opened.values[Field.CODES]
    verified = check_code(decode_text(str(text)), place.back.writer.authority.trust, now=NOW)
    assert not isinstance(verified, Reason)
    assert verified.colour is Colour.GREEN
    assert opened.values[Field.NAME] == "王秀兰"
    again = place.desk.print_code(CLERK, ByIdentityNumber(NUMBER), "desk-print-000001")
    assert isinstance(again, Opened)
    assert again.values[Field.CODES] == text


def test_print_code_while_pending_gives_no_code(place: Place) -> None:
    """Without a colour there is a verdict and no code: never a wrong one."""
    place.back.writer.run(
        lambda tx: declare(tx, place.grandmother, [Declared(Kind.SURVEY, "incomplete", NOW)]),
        now=NOW,
    )
    opened = place.desk.print_code(CLERK, ByIdentityNumber(NUMBER), "desk-print-000002")
    assert isinstance(opened, Opened)
    assert opened.values[Field.COLOUR] is Verdict.PENDING
    assert Field.CODES not in opened.values


def test_print_code_for_who_holds_as_many_as_anybody_may_gives_no_code(place: Place) -> None:
    """The clerk sees name and colour, and not a failure to load them."""
    place.back.issue(
        *(
            CodeRequest(
                place.grandmother, f"{turn}", holder_keys(MAX_CODES, first=turn * MAX_CODES)
            )
            for turn in range(MAX_HELD // MAX_CODES)
        )
    )
    opened = place.desk.print_code(CLERK, ByIdentityNumber(NUMBER), "desk-print-000003")
    assert isinstance(opened, Opened)
    assert opened.values == {Field.NAME: "王秀兰", Field.COLOUR: Verdict.GREEN}


def test_look_up_of_evidence_gives_the_records_of_that_kind(place: Place) -> None:
    """A health officer who traces contacts gets residence, and no symptom."""
    officer = Clerk("officer-3", "cdc-xian", "CT-20201213-0001")
    place.gate.grant(
        _grant(
            grant_id=b"grant of officer",
            principal=officer.principal,
            role=Role.HEALTH_OFFICER,
            organisation=Organisation("cdc-xian", "西安市疾控中心", "Xi'an CDC"),
            purposes=frozenset({Purpose.CONTACT_TRACING}),
            fields=frozenset({Field.NAME, Field.RESIDENCE}),
            quotas=Quotas(),
        ),
        now=NOW,
    )
    opened = place.desk.look_up(
        officer,
        Purpose.CONTACT_TRACING,
        ByIdentityNumber(NUMBER),
        frozenset({Field.NAME, Field.RESIDENCE}),
    )
    assert isinstance(opened, Opened)
    records: Any = opened.values[Field.RESIDENCE]
    assert [(record.kind, record.place) for record in records] == [(Kind.RESIDENCE, "610113")]
