"""The public folder: what doors hold agrees with what was decided, and never goes back."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.events import Kind
from issuer.errors import PublishError
from issuer.publish import Publisher
from issuer.store import read_store, write_store
from keys.lifecycle import Purpose
from tests.issuing_support import DAY_S, NOW, Desk, authority, contact, desk, signer, subject
from verifier.check import VENUE, Lists, Reason, check_bytes
from verifier.claims import parse_code
from verifier.statuslist import Snapshot, StatusList, verify_snapshot, verify_status_list

SIZE = 64


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "public"


@pytest.fixture
def publisher(office: Desk, folder: Path) -> Publisher:
    status = signer(Purpose.STATUS.value)
    return Publisher(office.writer, folder, status, list_size=SIZE)


def held(office: Desk, folder: Path, now: int) -> tuple[dict[int, StatusList], Snapshot]:
    """What a verifier makes of the folder; refuses lists that the snapshot does not name."""
    trust = office.writer.authority.trust
    snapshot = verify_snapshot((folder / "status/610000.snapshot").read_bytes(), trust, now=now)
    lists = {
        int(path.stem): verify_status_list(path.read_bytes(), trust, now=now)
        for path in (folder / "status").glob("*.cwt")
    }
    assert snapshot.digests == {number: each.sha256 for number, each in lists.items()}
    return lists, snapshot


def reason(office: Desk, folder: Path, code: bytes, now: int) -> Reason:
    lists, _ = held(office, folder, now)
    known = Lists(office.writer.authority.trust, lists)
    return check_bytes(code, known, now=now, policy=VENUE).reason


def test_publish_a_code_taken_back_is_superseded_at_the_door(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """The story of a code: admitted; then its person turns red, and the door says so."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(2)
    (mine,), (other,) = (made.codes for made in office.paper(0, 1))
    assert reason(office, folder, mine, NOW) is Reason.ADMITTED
    office.record(contact(0), now=NOW + 60)
    done = publisher.publish_changed(now=NOW + 60)
    assert done.signed == {parse_code(mine).list_number}
    assert reason(office, folder, mine, NOW + 60) is Reason.SUPERSEDED
    assert reason(office, folder, other, NOW + 60) is Reason.ADMITTED


def test_publish_lists_are_there_before_the_first_code(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Lists are opened ahead, so a code of today, or for a week ahead, is found at once."""
    publisher.publish_all(b"trust list", now=NOW)
    lists, snapshot = held(office, folder, NOW)
    office.residents(1)
    (made,) = office.paper(0)
    assert parse_code(made.codes[0]).list_number in lists
    assert set(snapshot.digests) == set(lists)
    assert {status_list.size for status_list in lists.values()} == {SIZE}


def test_publish_opens_another_list_when_half_of_one_is_used(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Space is made while there is space."""
    publisher.publish_all(b"trust list", now=NOW)
    before = set(held(office, folder, NOW)[0])
    office.residents(SIZE // 2 + 1)
    office.paper(*range(SIZE // 2 + 1))
    publisher.publish_all(b"trust list", now=NOW + 1)
    assert len(set(held(office, folder, NOW + 1)[0]) - before) == 1


def test_publish_a_list_opened_in_need_appears_with_the_next_change(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """A list that had to be opened for an issue counts as changed."""
    office.residents(1)
    (made,) = office.paper(0)
    number = parse_code(made.codes[0]).list_number
    assert publisher.publish_changed(now=NOW).signed == {number}
    assert reason(office, folder, made.codes[0], NOW) is Reason.ADMITTED


def test_publish_each_time_is_in_the_log_by_digest(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """The log says which snapshot was published before anybody can see it."""
    publisher.publish_all(b"trust list", now=NOW)
    (event,) = office.log.events_of_kinds([Kind.LIST_PUBLISHED])
    digest = hashlib.sha256((folder / "status/610000.snapshot").read_bytes()).digest()
    assert event.details["digest"] == digest


def test_publish_everything_that_doors_need(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Trust list, keys, rules and risks stand beside the lists, as they were signed."""
    publisher.publish_all(b"trust list", now=NOW)
    with read_store(office.engine) as store:
        ((rules,),) = store.rows("SELECT signed FROM rule_set")
        ((risks,),) = store.rows("SELECT signed FROM risk_table")
    assert (folder / "trust-list.cbor").read_bytes() == b"trust list"
    assert (folder / "rules/shaanxi-2020-12.cbor").read_bytes() == rules
    assert (folder / "risk-table.cbor").read_bytes() == risks
    keys = {path.stem for path in (folder / "keys").glob("*.cosekey")}
    assert keys == {key.kid.hex() for key in office.writer.authority.issuer.keys}
    assert not list(folder.rglob(".*"))


def test_publish_nothing_when_nothing_changed(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Without a change no file is touched."""
    publisher.publish_all(b"trust list", now=NOW)
    publisher.publish_changed(now=NOW + 1)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    size = office.log.size()
    assert publisher.publish_changed(now=NOW + 2).signed == frozenset()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert office.log.size() == size


def test_publish_a_list_in_which_a_code_comes_to_life_is_refused(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Whoever deletes a row of `status_change` does not revive a code: nothing is published."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(1)
    (made,) = office.paper(0)
    office.record(contact(0), now=NOW + 60)
    publisher.publish_changed(now=NOW + 60)
    with write_store(office.engine) as store:
        store.run("DELETE FROM status_change")
    with pytest.raises(PublishError, match="verifier"):
        publisher.publish_all(b"trust list", now=NOW + 120)
    assert reason(office, folder, made.codes[0], NOW + 120) is Reason.SUPERSEDED


def test_publish_twice_in_one_second_is_refused_and_remembered(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Two lists of one second are two truths; the change is published a second later."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(1)
    (made,) = office.paper(0)
    office.record(contact(0))
    with pytest.raises(PublishError):
        publisher.publish_changed(now=NOW)
    publisher.publish_changed(now=NOW + 1)
    assert reason(office, folder, made.codes[0], NOW + 1) is Reason.SUPERSEDED


def test_publish_forgets_lists_whose_codes_have_ended(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """A list goes when its day is over; the verifier keeps what is still pointed to."""
    publisher.publish_all(b"trust list", now=NOW)
    first = set(held(office, folder, NOW)[0])
    later = NOW + 2 * DAY_S
    publisher.publish_all(b"trust list", now=later)
    lists, _ = held(office, folder, later)
    assert len(first - set(lists)) == 2
    assert len(lists) == len(first)


def test_publish_statuses_of_several_people_stand_where_their_codes_point(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Every position of every list says what became of its code, and unused ones nothing."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(8)
    made = office.paper(*range(8))
    office.record(*(contact(number) for number in (1, 3, 6)), now=NOW + 1)
    publisher.publish_changed(now=NOW + 1)
    lists, _ = held(office, folder, NOW + 1)
    expected = {
        (code.list_number, code.status_index): 2
        for number in (1, 3, 6)
        for code in map(parse_code, made[number].codes)
    }
    found = {
        (number, index): status_list.status(index)
        for number, status_list in lists.items()
        for index in range(SIZE)
        if status_list.status(index)
    }
    assert found == expected
    assert office.colours()[subject(1)] == 2
