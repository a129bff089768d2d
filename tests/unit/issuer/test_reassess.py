"""Deciding anew in sets: those concerned and nobody else, once, whatever interrupts it."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from audit.events import Kind
from issuer.codes.issue import CodeRequest
from issuer.colour.adoption import adopt_risk_table
from issuer.colour.evidence_store import retract_evidence
from issuer.colour.notice import Retraction
from issuer.colour.reassess import Reassessed, run_jobs, run_windows
from issuer.colour.risk import RiskLevel, RiskTable, sign_risk_table
from issuer.errors import (
    AdoptionError,
    EvidenceError,
    IntegrityError,
    PinnedPolicyError,
    RiskTableError,
)
from issuer.rules.rules import sign_rules
from issuer.storage.store import read_store, write_store
from keys import cbor
from keys.lifecycle import Purpose
from keys.trustlist import PinnedPolicy
from tests.issuing_support import (
    COMPOUND,
    DAY_S,
    NOW,
    Desk,
    authority,
    contact,
    desk,
    entered,
    holder_keys,
    lives,
    rule_set,
    signer,
    subject,
)
from verifier.claims import Colour, parse_code
from verifier.statuslist import Status

GREEN, YELLOW, RED = (int(colour) for colour in Colour)


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


def decided(office: Desk, number: int) -> list[tuple[object, object]]:
    """Colour and cause of every decision about somebody, oldest first."""
    return [
        (logged.event.details["colour"], logged.event.details["cause"])
        for logged in office.log.events_of(subject(number))
        if logged.event.kind is Kind.DECIDED
    ]


def statuses(office: Desk) -> dict[tuple[int, int], int]:
    with read_store(office.engine) as store:
        rows = store.rows("SELECT list_number, status_index, status FROM status_change")
    return {(number, index): status for number, index, status in rows}


def test_reassess_when_a_compound_rises_looks_at_those_who_came_from_it_only(
    office: Desk,
) -> None:
    """Three of ten came from there: three are decided anew, and seven are not touched."""
    office.residents(10)
    office.record(*(entered(number) for number in (1, 4, 7)), entered(2, "110000"))
    before = office.log.size()
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
    assert run_jobs(office.writer, now=NOW + 60) == Reassessed(3, 3, 0)
    colours = office.colours()
    assert [colours[subject(n)] for n in (0, 1, 2, 4, 7)] == [GREEN, RED, YELLOW, RED, RED]
    assert decided(office, 1)[-1] == (RED, "risk")
    assert office.log.size() == before + 1 + 3
    assert office.findings(now=NOW + 60) == []


def test_reassess_a_rise_of_a_division_reaches_the_compounds_inside(office: Desk) -> None:
    """Who came from a compound is concerned by its county, unless it has a level of its own."""
    office.residents(3)
    office.record(entered(0), entered(1, "231081-other"), entered(2, "231083"))
    office.raise_risk("231081-other", RiskLevel.LOW, now=NOW + 1)
    run_jobs(office.writer, now=NOW + 1)
    office.raise_risk("231081", RiskLevel.HIGH, now=NOW + 2)
    assert run_jobs(office.writer, now=NOW + 2).seen == 1
    assert [office.colours()[subject(n)] for n in range(3)] == [RED, YELLOW, YELLOW]


def test_reassess_takes_back_every_live_code_of_those_whose_colour_changed(office: Desk) -> None:
    """Codes of both media, today's and tomorrow's, are superseded; those of others stay."""
    office.residents(2)
    office.record(entered(0), entered(1, "110000"))
    made = office.paper(0)[0].codes
    (phone,) = office.issue(CodeRequest(subject(0), "phone", holder_keys(4), 2))
    office.paper(1)
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
    run_jobs(office.writer, now=NOW + 60)
    codes = [parse_code(code) for code in (*made, *phone.codes)]  # type: ignore[union-attr] # issued
    assert statuses(office) == {
        (code.list_number, code.status_index): Status.SUPERSEDED for code in codes
    }
    assert office.findings(now=NOW + 60) == []


def test_reassess_leaves_codes_that_ended_alone(office: Desk) -> None:
    """A code nobody can use any more does not fill a status list."""
    office.residents(1)
    office.record(entered(0))
    office.issue(CodeRequest(subject(0), "phone", holder_keys(2), 1))
    later = NOW + 3 * DAY_S
    office.record(contact(0, at=later - 60), now=later)
    assert office.colours()[subject(0)] == RED
    assert statuses(office) == {}


def test_reassess_cut_off_after_any_step_goes_on_and_does_nobody_twice(
    tmp_path: Path,
) -> None:
    """Whatever number of sets was done before a crash, the end is the same as without one."""
    ends = []
    for done_before in range(4):
        folder = tmp_path / str(done_before)
        folder.mkdir()
        with desk(f"sqlite:///{folder}/issuer.db", folder, authority=authority()) as office:
            office.residents(9)
            office.record(*(entered(number) for number in range(7)))
            office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
            _crash_after(office, done_before)
            run_jobs(office.writer, now=NOW + 60, set_size=2)
            ends.append((office.colours(), [decided(office, number) for number in range(9)]))
            assert office.findings(now=NOW + 60) == []
    assert all(end == ends[0] for end in ends)


class _Crash(Exception):  # noqa: N818 # it is no error of ours
    pass


def _crash_after(office: Desk, steps: int) -> None:
    """Do so many sets, then fall over."""
    run, left = office.writer.run, [steps]

    def counted(work: object, *, now: int) -> object:
        if not left[0]:
            raise _Crash
        left[0] -= 1
        return run(work, now=now)  # type: ignore[arg-type] # as it came

    office.writer.run = counted  # type: ignore[assignment,method-assign] # a test's crash
    try:
        with pytest.raises(_Crash):
            run_jobs(office.writer, now=NOW + 60, set_size=2)
    finally:
        office.writer.run = run  # type: ignore[method-assign] # back to what it was


def test_reassess_twice_has_no_second_effect(office: Desk) -> None:
    """What is in force already starts nothing."""
    office.residents(2)
    office.record(entered(0))
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM)
    run_jobs(office.writer, now=NOW)
    size = office.log.size()
    signed = sign_risk_table(office.writer.authority.risks, signer(Purpose.RULES.value))
    office.writer.run(lambda tx: adopt_risk_table(tx, signed), now=NOW + 1)
    assert run_jobs(office.writer, now=NOW + 1) == Reassessed()
    assert office.log.size() == size


def test_reassess_for_new_rules_goes_through_everybody_in_sets(office: Desk) -> None:
    """Every decision then names the version that is in force; colours stay where rules agree."""
    office.residents(7)
    office.record(contact(3))
    office.adopt(replace(rule_set(), version=2, payload=_as_version_2()), now=NOW + 60)
    assert run_jobs(office.writer, now=NOW + 60, set_size=3) == Reassessed(7, 0, 0)
    with read_store(office.engine) as store:
        assert store.rows("SELECT DISTINCT rule_version FROM decision") == [(2,)]
    assert office.colours()[subject(3)] == RED
    assert office.findings(now=NOW + 60) == []


def _as_version_2() -> bytes:
    """The payload of the shipped rules with another version number."""
    value = cbor.decode(rule_set().payload, max_bytes=1 << 18)
    assert isinstance(value, dict)
    return cbor.encode({**value, "version": 2})


def test_reassess_when_windows_end_finds_those_people_alone(office: Desk) -> None:
    """Fourteen days after a contact somebody is green again, without anybody asking."""
    office.residents(5)
    office.record(contact(1, at=NOW - 13 * DAY_S), contact(2, at=NOW - DAY_S))
    assert run_windows(office.writer, now=NOW) == Reassessed()
    later = NOW + 3 * DAY_S
    assert run_windows(office.writer, now=later, set_size=1) == Reassessed(1, 1, 0)
    colours = office.colours()
    assert [colours[subject(n)] for n in range(3)] == [GREEN, GREEN, RED]
    assert decided(office, 1)[-1] == (GREEN, "time")
    assert run_windows(office.writer, now=later) == Reassessed()


def test_reassess_with_a_damaged_person_does_all_others(office: Desk) -> None:
    """One row that is no evidence keeps nobody else from their colour, and is counted."""
    office.residents(5)
    office.record(*(entered(number) for number in range(5)))
    with write_store(office.engine) as store:
        store.run("UPDATE evidence SET value = 'rumour' WHERE subject = ?", (subject(2),))
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM, now=NOW + 60)
    assert run_jobs(office.writer, now=NOW + 60, set_size=3) == Reassessed(4, 4, 1)
    assert [office.colours()[subject(n)] for n in range(5)] == [RED, RED, YELLOW, RED, RED]


def test_reassess_windows_with_a_damaged_person_ends(office: Desk) -> None:
    """Somebody who cannot be read stays due; the run ends all the same."""
    office.residents(3)
    office.record(*(contact(number, at=NOW - 13 * DAY_S) for number in range(3)))
    with write_store(office.engine) as store:
        store.run("UPDATE evidence SET value = 'rumour' WHERE subject = ?", (subject(0),))
    assert run_windows(office.writer, now=NOW + 3 * DAY_S, set_size=2) == Reassessed(2, 2, 1)


def test_reassess_with_a_changed_job_row_refuses(office: Desk) -> None:
    """Whoever moves a job's watermark by SQL does not hide anybody from it."""
    office.residents(2)
    office.record(entered(0))
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM)
    with write_store(office.engine) as store:
        store.run("UPDATE job SET watermark = ?", (b"\xff" * 16,))
    with pytest.raises(IntegrityError):
        run_jobs(office.writer, now=NOW)


def test_evidence_retracted_by_its_source_is_gone_and_the_colour_with_it(office: Desk) -> None:
    """A wrong record is taken back; nobody but its source can, and whoever tries hears of it."""
    office.residents(1)
    wrong = contact(0).record
    office.record(contact(0))
    other = Retraction(subject(0), wrong.evidence_id, "00000000", NOW)
    with pytest.raises(EvidenceError, match="another source"):
        office.writer.run(lambda tx: retract_evidence(tx, [other]), now=NOW)
    assert office.colours()[subject(0)] == RED
    own = replace(other, source=wrong.source)
    assert office.writer.run(lambda tx: retract_evidence(tx, [own]), now=NOW) == 1
    assert office.colours()[subject(0)] == GREEN
    assert office.findings() == []


def test_evidence_recorded_twice_has_one_effect(office: Desk) -> None:
    """A notice that comes again changes nothing."""
    office.residents(1)
    size = office.log.size()
    office.record(lives(0))
    assert office.log.size() == size


def test_adopting_what_another_key_signed_is_refused(office: Desk) -> None:
    """Only a RULES key of the trust list brings rules and risks into force."""
    table = office.writer.authority.risks.with_change(COMPOUND, RiskLevel.HIGH, NOW, issued_at=NOW)
    for name in (Purpose.CODE.value, "stranger"):
        signed = sign_risk_table(table, signer(name))
        with pytest.raises(AdoptionError):
            office.writer.run(lambda tx, signed=signed: adopt_risk_table(tx, signed), now=NOW)  # type: ignore[misc] # the loop's own value


def test_adopting_an_older_risk_table_is_refused(office: Desk) -> None:
    """The table in force does not go back."""
    office.raise_risk(COMPOUND, RiskLevel.MEDIUM)
    old = sign_risk_table(RiskTable(1, NOW, ()), signer(Purpose.RULES.value))
    with pytest.raises(RiskTableError):
        office.writer.run(lambda tx: adopt_risk_table(tx, old), now=NOW)


def pins(*, rules_digest: bytes | None = None, risks_version: int = 1) -> tuple[PinnedPolicy, ...]:
    """What the desk adopts at its opening, pinned, unless told otherwise."""
    before = authority()
    rules = sign_rules(before.rules, signer(Purpose.RULES.value))
    risks = sign_risk_table(before.risks, signer(Purpose.RULES.value))
    name, version = before.rules.id, before.rules.version
    return (
        PinnedPolicy(name, version, rules_digest or sha256(rules).digest()),
        PinnedPolicy("risk-table", risks_version, sha256(risks).digest()),
    )


def test_adopting_what_the_trust_list_pins_and_what_follows_it_succeeds(
    engine_url: str, tmp_path: Path
) -> None:
    """The pinned documents come into force, and later versions of them."""
    held = authority()
    pinned = replace(held, trust=replace(held.trust, policies=pins()))
    with desk(engine_url, tmp_path, authority=pinned) as office:
        office.raise_risk(COMPOUND, RiskLevel.MEDIUM)
        assert office.writer.authority.risks.version == 2


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (pins(rules_digest=bytes(32)), "pins another document"),
        (pins(risks_version=2), "demands version 2 or later"),
    ],
)
def test_adopting_what_the_trust_list_does_not_let_pass_is_refused(
    engine_url: str, tmp_path: Path, policies: tuple[PinnedPolicy, ...], message: str
) -> None:
    """Another document under a pinned version, or one below it, comes into force nowhere."""
    held = authority()
    pinned = replace(held, trust=replace(held.trust, policies=policies))
    with (
        pytest.raises(PinnedPolicyError, match=message),
        desk(engine_url, tmp_path, authority=pinned),
    ):
        raise AssertionError("it opened")


def test_adopted_rules_reach_another_process_with_its_next_transaction(
    engine_url: str, tmp_path: Path
) -> None:
    """Two issuers on one database decide by the same rules and risks."""
    with (
        desk(engine_url, tmp_path, authority=authority()) as one,
        desk(engine_url, tmp_path, authority=authority(), name="two", adopted=False) as two,
    ):
        one.residents(2)
        one.record(entered(0), entered(1))
        one.raise_risk(COMPOUND, RiskLevel.MEDIUM)
        assert two.paper(0)[0].colour is Colour.RED
        assert two.writer.authority.risks.version == one.writer.authority.risks.version
