"""An issuer's database out of an older copy, while the log is as it was (ADR 0014)."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from audit.events import Event, Kind
from audit.publish import write_public
from issuer.codes.issue import CodeRequest, Issued
from issuer.errors import RecoveryError, RestoredError
from issuer.people.erasures import Erasures
from issuer.people.people import IndexCost, People, PeopleKeys
from issuer.publication.publish import Publisher
from issuer.recovery.reconcile import reconcile
from issuer.recovery.recovery import (
    Reconciled,
    published_lists,
    reconcile_copies,
    require_reconciled,
)
from issuer.storage.store import read_store
from keys.lifecycle import Purpose
from tests.issuing_support import NOW, SECRETS, Desk, authority, contact, desk, signer, subject
from verifier.claims import parse_code
from verifier.statuslist import Status

COPIED = 3
CHEAP = IndexCost(ops=1, mem=8192)


class Place:
    """Where one issuer's files are, and what is done to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = folder / "public"
        self.database = folder / "issuer.db"
        self.erasures = Erasures(folder / "erased", SECRETS.rows)

    @contextmanager
    def opened(self, *, first: bool = False) -> Iterator[Desk]:
        url = f"sqlite:///{self.database}"
        with desk(url, self.folder, authority=authority(), name=None, adopted=first) as office:
            yield office

    def copy(self) -> None:
        target = self.folder / "copy.db"
        with (
            closing(sqlite3.connect(self.database)) as there,
            closing(sqlite3.connect(target)) as copy,
        ):
            there.backup(copy)

    def restore(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.database}{suffix}").unlink(missing_ok=True)
        shutil.copy(self.folder / "copy.db", self.database)

    def publish(self, office: Desk, *, now: int) -> None:
        status = signer(Purpose.STATUS.value)
        Publisher(office.writer, self.public, status, list_size=64).publish_all(b"", now=now)
        write_public(office.log, self.public)

    def require(self, office: Desk) -> None:
        issuer = office.writer.authority.issuer
        require_reconciled(office.engine, office.log, SECRETS, self.public, issuer)

    def recover(self, office: Desk, *, now: int) -> Reconciled:
        office.writer.recover(now=now)
        held = office.writer.authority
        people = People(
            office.engine, PeopleKeys(SECRETS.kek, b"pepper--" * 4, SECRETS.rows), cost=CHEAP
        )
        lists = published_lists(self.public, held.trust, held.issuer)
        return office.writer.run(
            lambda tx: reconcile_copies(
                tx, lists, people=people, erasures=self.erasures, log=office.log, lost=None
            ),
            now=now,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Ten people with codes; a copy is made after three of them got theirs."""
    place = Place(tmp_path)
    with place.opened(first=True) as office:
        office.residents(10)
        place.publish(office, now=NOW)
        office.paper(*range(COPIED))
        place.copy()
        office.paper(*range(COPIED, 10))
        office.record(contact(0))
        place.publish(office, now=NOW + 1)
    return place


def places(results: list[Issued]) -> set[tuple[int, int]]:
    codes = [parse_code(code) for result in results for code in result.codes]
    return {(code.list_number, code.status_index) for code in codes}


def issued_places(place: Place) -> set[tuple[int, int]]:
    """The positions of all codes of before, asked for again."""
    with place.opened() as office:
        results = office.issue(*(CodeRequest(subject(n), "paper") for n in range(1, 10)), now=NOW)
        return places([result for result in results if isinstance(result, Issued)])


def test_restored_database_of_an_hour_ago_is_noticed_by_the_log(place: Place) -> None:
    """Its lists are all published, but the log has batches that it does not know."""
    with place.opened() as office:
        place.require(office)
    place.restore()
    with place.opened() as office, pytest.raises(RestoredError, match="7 logged batches"):
        place.require(office)


def test_restored_database_without_a_published_list_is_noticed(place: Place) -> None:
    """A list that the public has, and the database has not."""
    with place.opened() as office:
        office.log.append([Event(bytes(16), Kind.LOG_READ, NOW, None, {})], now=NOW)
        place.require(office)
        (path, *_) = sorted((place.public / "status").glob("*.cwt"))
        path.rename(path.with_name("1777.cwt"))
        with pytest.raises(RestoredError, match="1 published lists"):
            place.require(office)


def test_restored_log_is_noticed_by_the_published_checkpoint(place: Place) -> None:
    """The public has seen more entries than there are."""
    with place.opened() as office:
        checkpoint = place.public / "log" / "checkpoint"
        office.log.append([Event(bytes(16), Kind.LOG_READ, NOW, None, {})], now=NOW)
        checkpoint.write_bytes(office.log.checkpoint())
        place.require(office)
    older = place.folder / "older"
    older.mkdir()
    with (
        desk(f"sqlite:///{older}/issuer.db", older, authority=authority()) as other,
        pytest.raises(RestoredError, match="were published"),
    ):
        place.require(other)


def test_reconciled_database_uses_no_position_again(place: Place) -> None:
    """Of no list; and what was taken back in public stays so."""
    before = issued_places(place)
    place.restore()
    with place.opened() as office:
        done = place.recover(office, now=NOW + 2)
        place.require(office)
        assert done.next_list > max(number for number, _ in before) + 100
        fresh = office.paper(*range(1, 10), key="fresh", now=NOW + 3)
        assert places(fresh).isdisjoint(before)
        assert office.writer.run(lambda tx: reconcile(tx, office.log), now=NOW + 3) == []
        place.publish(office, now=NOW + 4)
        held = published_lists(
            place.public, office.writer.authority.trust, office.writer.authority.issuer
        )
    # Codes of after the copy are taken back; two of before are good, and one met a case.
    valid = [held[number].status(index) for number, index in before].count(Status.VALID)
    assert valid == COPIED - 1


def test_request_of_after_the_copy_is_answered_with_new_codes(place: Place) -> None:
    """The log has an event of the lost batch, and nobody has its codes any more."""
    before = issued_places(place)
    place.restore()
    with place.opened() as office:
        place.recover(office, now=NOW + 2)
        again = office.paper(COPIED, key="paper", now=NOW + 3)
        assert places(again).isdisjoint(before)
        assert not again[0].repeated
        assert office.paper(COPIED, key="paper", now=NOW + 4)[0].codes == again[0].codes
        assert office.writer.recover(now=NOW + 5) == 0


def test_reconciled_twice_does_no_more(place: Place) -> None:
    """After a crash the command is run again: codes of before the copy stay good."""
    before = issued_places(place)
    place.restore()
    with place.opened() as office:
        first = place.recover(office, now=NOW + 2)
        second = place.recover(office, now=NOW + 3)
        assert second.next_list > first.next_list
        place.publish(office, now=NOW + 4)
        held = published_lists(
            place.public, office.writer.authority.trust, office.writer.authority.issuer
        )
    valid = [held[number].status(index) for number, index in before].count(Status.VALID)
    assert valid == COPIED - 1


@pytest.mark.parametrize("known_by", ["list", "log"])
def test_reconciled_people_who_were_erased_stay_erased(place: Place, known_by: str) -> None:
    """The list beside the keystore knows them, and so does a log that was not restored."""
    if known_by == "list":
        place.erasures.note(subject(1))
    else:
        with place.opened() as office:
            event = Event(bytes(16), Kind.PERSON_ERASED, NOW + 1, subject(1), {})
            office.log.append([event], now=NOW + 1)
    place.restore()
    with place.opened() as office:
        done = place.recover(office, now=NOW + 2)
        assert done.erased == 1
        with read_store(office.engine) as store:
            ((wrapped,),) = store.rows(
                "SELECT wrapped_key FROM subject WHERE subject = ?", (subject(1),)
            )
        assert not any(wrapped)
        assert place.recover(office, now=NOW + 3).erased == 0


def test_published_list_that_cannot_be_read_stops_the_recovery(place: Place) -> None:
    """What it takes back would be forgotten."""
    (path, *_) = sorted((place.public / "status").glob("*.cwt"))
    path.write_bytes(path.read_bytes()[:-1])
    place.restore()
    with place.opened() as office, pytest.raises(RecoveryError, match=path.stem):
        place.recover(office, now=NOW + 2)


def test_reconciling_needs_numbers_that_are_left(place: Place) -> None:
    """A range that is nearly used up is refused before anything is changed."""
    place.restore()
    with place.opened() as office:
        office.writer.authority = authority(last_list=1050)
        with pytest.raises(RecoveryError, match="another range"):
            place.recover(office, now=NOW + 2)
