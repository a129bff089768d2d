"""Signed notices and rule sets as the issuer takes them: whose region, and what may follow."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from issuer.colour.evidence_store import take_notice
from issuer.colour.notice import Entry, Notice, sign_notice
from issuer.errors import NoticeError, RulesError
from issuer.rules.ruleproblems import RuleProblemKind
from issuer.rules.rules import parse_rules
from keys.lifecycle import Purpose
from tests.evidence_support import shaanxi_text
from tests.issuing_support import NOW, Desk, authority, contact, desk, signer, subject

SOURCE = signer(Purpose.EVIDENCE.value)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Desk]:
    with desk(f"sqlite:///{tmp_path / 'issuer.db'}", tmp_path, authority=authority()) as opened:
        opened.residents(2)
        yield opened


def take(office: Desk, region: str) -> None:
    record = replace(contact(0).record, origin_region=region, recorded_at=NOW)
    notice = Notice(1, NOW, region, SOURCE.kid.hex(), (Entry(subject(0), record),), ())
    signed = sign_notice(notice, SOURCE)
    office.writer.run(lambda tx: take_notice(tx, signed), now=NOW)


@pytest.mark.parametrize("region", ["610000", "610100", "610113"])
def test_take_notice_of_the_region_of_its_key_is_taken(office: Desk, region: str) -> None:
    """The key of a province speaks for the province, its cities and counties."""
    take(office, region)
    assert office.colours()[subject(0)] == 2


@pytest.mark.parametrize("region", ["230000", "231081"])
def test_take_notice_in_another_regions_name_is_refused_whole(office: Desk, region: str) -> None:
    """Nobody passes evidence off as another region's, where an appeal about it would go."""
    with pytest.raises(NoticeError, match="region"):
        take(office, region)
    assert office.colours()[subject(0)] == 0


def test_adopt_rules_of_the_version_in_force_with_other_content_is_refused(office: Desk) -> None:
    """One version has one content: a twin is refused, not taken for what is there already."""
    text = shaanxi_text().replace('"observation": 14', '"observation": 7')
    twin = parse_rules(text.encode(), now=NOW)
    with pytest.raises(RulesError) as caught:
        office.adopt(twin)
    assert [problem.kind for problem in caught.value.problems] == [RuleProblemKind.ROLLBACK]
