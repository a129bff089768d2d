"""The public folder: what doors hold agrees with what was decided, and never goes back."""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.events import Kind
from issuer.codes.issue import CodeRequest, Issued
from issuer.codes.lists import LISTS_A_DAY, SPREAD_S
from issuer.codes.pseudonym import LIST_SIZE
from issuer.errors import PublishError
from issuer.publication.decoys import decoys
from issuer.publication.publish import Publisher
from issuer.storage.store import read_store, write_store
from keys.lifecycle import Purpose
from tests.issuing_support import (
    DAY_S,
    NOW,
    SECRETS,
    Desk,
    authority,
    contact,
    desk,
    holder_keys,
    signer,
    subject,
)
from verifier.check import VENUE, Lists, Reason, check_bytes
from verifier.claims import parse_code
from verifier.statusdelta import accept_delta, named_list
from verifier.statuslist import Snapshot, StatusList, verify_snapshot, verify_status_list

SIZE = 64
#: By when everything that was taken back at NOW is public.
OUT = NOW + SPREAD_S


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
    delta_data = (folder / "status/610000.delta").read_bytes()
    delta = accept_delta(None, delta_data, snapshot, trust, now=now)
    lists = {
        int(path.stem): named_list(
            verify_status_list(path.read_bytes(), trust, now=now), delta, snapshot
        )
        for path in (folder / "status").glob("*.cwt")
    }
    assert set(snapshot.digests) == set(delta.changes) == set(lists)
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
    office.record(contact(0), now=NOW)
    done = publisher.publish_changed(now=OUT)
    assert done.signed == frozenset()
    assert reason(office, folder, mine, OUT) is Reason.SUPERSEDED
    assert reason(office, folder, other, OUT) is Reason.ADMITTED


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
    half = LISTS_A_DAY * SIZE // 2
    office.residents(half + 1)
    office.paper(*range(half))
    publisher.publish_all(b"trust list", now=NOW + 1)
    assert set(held(office, folder, NOW + 1)[0]) == before
    office.paper(half)
    publisher.publish_all(b"trust list", now=NOW + 2)
    assert len(set(held(office, folder, NOW + 2)[0]) - before) == 1


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
    office.record(contact(0), now=NOW)
    publisher.publish_changed(now=OUT)
    with write_store(office.engine) as store:
        store.run("DELETE FROM status_change")
    with pytest.raises(PublishError, match="verifier"):
        publisher.publish_all(b"trust list", now=OUT + 60)
    assert reason(office, folder, made.codes[0], OUT + 60) is Reason.SUPERSEDED


def test_publish_something_else_in_the_same_second_is_refused(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Two snapshots of one second are two truths; a second later there is one again."""
    snapshot = folder / "status/610000.snapshot"
    publisher.publish_all(b"trust list", now=NOW)
    before = snapshot.read_bytes()
    publisher.publish_all(b"trust list", now=NOW)
    assert snapshot.read_bytes() == before
    office.residents(LISTS_A_DAY * SIZE // 2 + 1)
    office.paper(*range(LISTS_A_DAY * SIZE // 2 + 1))  # so that another list has to be opened
    with pytest.raises(PublishError, match="this very second"):
        publisher.publish_all(b"trust list", now=NOW)
    assert snapshot.read_bytes() == before
    publisher.publish_all(b"trust list", now=NOW + 1)
    assert held(office, folder, NOW + 1)[1].issued_at == NOW + 1


def test_publish_forgets_lists_whose_codes_have_ended(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """A list goes when its day is over; the verifier keeps what is still pointed to."""
    publisher.publish_all(b"trust list", now=NOW)
    first = set(held(office, folder, NOW)[0])
    later = NOW + 2 * DAY_S
    publisher.publish_all(b"trust list", now=later)
    lists, _ = held(office, folder, later)
    assert len(first - set(lists)) == 2 * LISTS_A_DAY
    assert len(lists) == len(first)


def test_publish_statuses_of_several_people_stand_where_their_codes_point(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Every position of every list says what became of its code, and unused ones nothing."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(8)
    made = office.paper(*range(8))
    office.record(*(contact(number) for number in (1, 3, 6)), now=NOW)
    publisher.publish_changed(now=OUT)
    lists, _ = held(office, folder, OUT)
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


def test_publish_what_was_taken_back_at_once_appears_at_many_moments_and_all_within_the_bound(
    office: Desk, folder: Path, publisher: Publisher
) -> None:
    """Who watches sees one person's codes come bit by bit, also over restarts of the publisher."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(1)
    (made,) = office.issue(CodeRequest(subject(0), "phone", holder_keys(24)))
    assert isinstance(made, Issued)
    office.record(contact(0), now=NOW)
    seen = []
    for minute in range(1, SPREAD_S // 60 + 1):
        again = Publisher(office.writer, folder, signer(Purpose.STATUS.value), list_size=SIZE)
        at = NOW + 60 * minute
        again.publish_changed(now=at)
        lists, _ = held(office, folder, at)
        codes = map(parse_code, made.codes)
        seen.append(sum(lists[c.list_number].status(c.status_index) == 2 for c in codes))
    steps = [later - earlier for earlier, later in itertools.pairwise([0, *seen])]
    assert seen[-1] == len(made.codes)
    assert max(steps) < len(made.codes) // 2
    assert sum(step > 0 for step in steps) > len(steps) // 2


def test_publish_entries_are_the_codes_taken_back_and_the_decoys_of_the_list(
    office: Desk, folder: Path
) -> None:
    """In a list of full size, what was taken back and the decoys due by now are marked."""
    publisher = Publisher(office.writer, folder, signer(Purpose.STATUS.value))
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(3)
    made = office.paper(0, 1, 2)
    office.record(contact(0), now=NOW)
    publisher.publish_changed(now=OUT)
    lists, _ = held(office, folder, OUT)
    mine = parse_code(made[0].codes[0])
    number, day = mine.list_number, mine.exp // DAY_S
    marked = {
        decoy.position: int(decoy.status)
        for decoy in decoys(SECRETS.positions, number, LIST_SIZE, day)
        if decoy.due_at <= OUT
    }
    found = {i: lists[number].status(i) for i in range(LIST_SIZE) if lists[number].status(i)}
    assert found == {**marked, mine.status_index: 2}


def test_publish_signs_lists_anew_after_an_hour_and_only_delta_and_snapshot_before(
    office: Desk, publisher: Publisher
) -> None:
    """Readers of the IETF's lists are at most ttl behind; venues fetch no list for it."""
    first = publisher.publish_all(b"trust list", now=NOW)
    assert len(first.signed) == first.named
    office.residents(1)
    office.paper(0)
    office.record(contact(0), now=NOW)
    assert publisher.publish_changed(now=OUT).signed == frozenset()
    assert publisher.publish_changed(now=NOW + 3600).signed == first.signed


def test_publish_more_at_once_than_a_delta_holds_begins_anew(
    office: Desk, folder: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When very much changes, every list is signed and the delta is empty: nothing gets stuck."""
    publisher.publish_all(b"trust list", now=NOW)
    office.residents(30)
    (made, *_) = office.paper(*range(30))
    office.record(*map(contact, range(30)), now=NOW)
    plain = publisher.publish_changed(now=OUT)
    size = (folder / "status/610000.delta").stat().st_size
    monkeypatch.setattr("issuer.publication.statusfiles.MAX_DELTA_BYTES", size - 1)
    assert len(publisher.publish_all(b"trust list", now=OUT + 1).signed) == plain.named
    assert (folder / "status/610000.delta").stat().st_size < size
    assert reason(office, folder, made.codes[0], OUT + 1) is Reason.SUPERSEDED
