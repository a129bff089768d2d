"""Issuing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.issue import CodeRequest, Issued, issue
from issuer.tx import Done
from tests.issuing_support import NOW, Desk, authority, desk, holder_keys, subject


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


def issued(office: Desk, *requests: CodeRequest, now: int = NOW):
    def work(tx):
        made = issue(tx, requests)
        return Done(made.results, made.events, made.repeated, made.lists)

    return office.writer.run(work, now=now)


def test_issue_green_person_gets_a_code(office: Desk) -> None:
    office.residents(3)
    results = issued(office, *(CodeRequest(subject(i), "a") for i in range(3)))
    assert all(isinstance(r, Issued) for r in results), results
    results = issued(office, CodeRequest(subject(0), "b", holder_keys(8), 3))
    print(results)
    assert len(results[0].codes) == 8
