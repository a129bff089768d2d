"""People are sealed under their own key, and found by exact match only."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from nacl.pwhash import argon2id
from sqlalchemy import select, update

from audit.events import Kind
from issuer import models
from issuer.colour.declare import MAX_DECLARED, Declared, declared_records
from issuer.colour.evidence import EARLIEST, Evidence
from issuer.colour.evidence import Kind as EvidenceKind
from issuer.errors import InputError, NoPersonError, SealError
from issuer.people.binding import Sessions
from issuer.people.enrolment import Enrolment
from issuer.people.identity import Identity
from issuer.people.people import People, PeopleKeys
from issuer.people.problems import Problem
from tests.issuing_support import NOW, SECRETS, Desk, authority, desk
from tests.web_support import CHEAP, Phones, enrolment_over

NUMBER = "11010519491231002X"
PHONE = "+8613800138000"
WANG = Identity("王秀兰", PHONE, NUMBER)


@dataclass
class Counter:
    desk: Desk
    people: People
    enrolment: Enrolment
    phones: Phones


@pytest.fixture
def counter(engine_url: str, tmp_path: Path) -> Iterator[Counter]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        phones = Phones()
        people, enrolment = enrolment_over(
            opened, Sessions(opened.engine, SECRETS.rows), phones, lambda: NOW
        )
        yield Counter(opened, people, enrolment, phones)


def kinds_of(counter: Counter, subject: bytes) -> list[Kind]:
    return [entry.event.kind for entry in counter.desk.log.events_of(subject)]


def test_register_then_find_by_each_entry(counter: Counter) -> None:
    """A person is found by name and phone, and by identity number, and opens to what was given."""
    made = counter.enrolment.register(WANG, "610113")
    assert made.is_new
    for digest in counter.people.digests(WANG):
        assert counter.people.find(digest) == made.subject
    assert counter.people.identity_of(made.subject) == WANG
    assert kinds_of(counter, made.subject)[0] is Kind.PERSON_REGISTERED


def test_register_again_changes_nothing_and_tells_the_phone(counter: Counter) -> None:
    """A second registration of name and phone makes nobody, and the owner hears of it (C118)."""
    first = counter.enrolment.register(Identity("王秀兰", "+8613800138000"), "610113")
    events = len(kinds_of(counter, first.subject))
    again = counter.enrolment.register(WANG, "610113")
    assert (again.subject, again.is_new) == (first.subject, False)
    assert counter.people.identity_of(first.subject).identity_number is None
    assert counter.people.find(counter.people.digest_of_identity_number(NUMBER)) is None
    assert kinds_of(counter, first.subject)[events:] == [Kind.REGISTRATION_REPEATED]
    one, two = counter.phones.messages
    assert (one.phone, one.text) == (two.phone, two.text)


def test_register_makes_as_many_log_entries_whoever_is_there(counter: Counter) -> None:
    """The size of the log is public: it must not tell a person who is known from one who is not."""
    sizes = [counter.desk.log.size()]
    for identity in (WANG, WANG, Identity("李强", "+8613900139000"), WANG):
        counter.enrolment.register(identity, "610113")
        sizes.append(counter.desk.log.size())
    assert len({after - before for before, after in pairwise(sizes)}) == 1


def test_register_another_name_at_the_phone_is_another_person(counter: Counter) -> None:
    """A family shares a phone: the index is over name and phone together."""
    one = counter.enrolment.register(WANG, "610113")
    two = counter.enrolment.register(Identity("王小明", "+8613800138000"), "610113")
    assert one.subject != two.subject


def test_register_identity_number_of_another_does_not_lead_to_the_later_one(
    counter: Counter,
) -> None:
    """Who comes second with an identity number is registered, and not found by it."""
    first = counter.enrolment.register(WANG, "610113")
    second = counter.enrolment.register(
        Identity("李强", "+8613900139000", WANG.identity_number), "610113"
    )
    assert second.is_new
    number = counter.people.digest_of_identity_number(NUMBER)
    assert counter.people.find(number) == first.subject


def test_register_somebody_without_a_phone(counter: Counter) -> None:
    """The identity number is enough for somebody without a phone; nothing is sent."""
    made = counter.enrolment.register(Identity("王奶奶", None, WANG.identity_number), "610113")
    assert counter.people.identity_of(made.subject).phone is None
    assert counter.phones.messages == []


def test_digests_without_phone_and_number_is_a_wrong_call(counter: Counter) -> None:
    """Somebody who could never be found again cannot be registered."""
    with pytest.raises(ValueError, match="phone or an identity number"):
        counter.people.digests(Identity("王秀兰"))


def test_register_a_hundred_times_at_once_makes_one_person(counter: Counter) -> None:
    """Concurrent registrations of one person have exactly one effect (C110)."""
    subjects: list[bytes] = []

    def register() -> None:
        subjects.append(counter.enrolment.register(WANG, "610113").subject)

    threads = [threading.Thread(target=register) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(subjects) == 20
    assert len(set(subjects)) == 1
    assert kinds_of(counter, subjects[0]).count(Kind.PERSON_REGISTERED) == 1


def test_known_and_unknown_cost_the_same_index_work(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registering and asking cost as many slow hashes and messages for anybody (C111)."""
    calls: list[int] = []
    kdf = argon2id.kdf

    def counted(*given: Any, **named: Any) -> bytes:  # noqa: ANN401 - passed on
        calls.append(1)
        return bytes(kdf(*given, **named))

    monkeypatch.setattr(argon2id, "kdf", counted)

    def cost(work: Callable[[], object]) -> tuple[int, int]:
        calls.clear()
        counter.phones.messages.clear()
        work()
        return len(calls), len(counter.phones.messages)

    unknown = cost(lambda: counter.enrolment.register(WANG, "610113"))
    known = cost(lambda: counter.enrolment.register(WANG, "610113"))
    assert unknown == known == (2, 1)
    assert cost(lambda: counter.enrolment.ask("王秀兰", "+8613800138000")) == (1, 1)
    assert cost(lambda: counter.enrolment.ask("无此人", "+8613800138000")) == (1, 1)


def test_index_is_keyed_and_case_is_folded(counter: Counter) -> None:
    """The same input gives the same entry; another pepper another one; Latin case none."""
    digest = counter.people.digest_of_name_and_phone("Anna Li", "+8613800138000")
    assert digest == counter.people.digest_of_name_and_phone("ANNA LI", "+8613800138000")
    keys = PeopleKeys(SECRETS.kek, b"other---" * 4, SECRETS.rows)
    other = People(counter.desk.engine, keys, cost=CHEAP)
    assert other.digest_of_name_and_phone("Anna Li", "+8613800138000") != digest
    # Parts cannot be moved from one field into the other.
    assert counter.people.digest_of_name_and_phone("ab", "c") != (
        counter.people.digest_of_name_and_phone("a", "bc")
    )


def test_database_holds_no_identity_in_clear(counter: Counter) -> None:
    """No name, number or phone stands in any column of any table."""
    counter.enrolment.register(WANG, "610113")
    counter.enrolment.ask(WANG.name, PHONE)
    with counter.desk.engine.connect() as connection:
        stored = b"".join(
            repr(tuple(row)).encode() + b"".join(v for v in row if isinstance(v, bytes))
            for table in models.metadata.sorted_tables
            for row in connection.execute(select(table))
        )
    for canary in ("王秀兰", "13800138000", "11010519491231002X"):
        assert canary.encode() not in stored
        assert canary not in stored.decode(errors="replace")


def test_sealed_identities_have_one_length(counter: Counter) -> None:
    """A short and a long name leave rows of equal length."""
    counter.enrolment.register(Identity("王", "+8613800138000"), "610113")
    counter.enrolment.register(
        Identity("王" * 50, "+8613900139000", WANG.identity_number), "610113"
    )
    with counter.desk.engine.connect() as connection:
        rows = connection.execute(select(models.identity.c.sealed)).scalars().all()
    assert len({len(row) for row in rows}) == 1


def test_identity_moved_to_another_row_does_not_open(counter: Counter) -> None:
    """Who writes to the database cannot give one person another one's name."""
    one = counter.enrolment.register(WANG, "610113").subject
    two = counter.enrolment.register(Identity("李强", "+8613900139000"), "610113").subject
    with counter.desk.engine.begin() as connection:
        sealed = connection.execute(
            select(models.identity.c.sealed).where(models.identity.c.subject == one)
        ).scalar_one()
        connection.execute(
            update(models.identity).where(models.identity.c.subject == two).values(sealed=sealed)
        )
    with pytest.raises(SealError):
        counter.people.identity_of(two)


def test_erase_destroys_the_key_and_every_way_to_the_person(counter: Counter) -> None:
    """An erased person cannot be read or found, and may register anew as somebody else."""
    subject = counter.enrolment.register(WANG, "610113").subject
    counter.enrolment.erase(subject)
    with pytest.raises(NoPersonError):
        counter.people.identity_of(subject)
    assert all(counter.people.find(digest) is None for digest in counter.people.digests(WANG))
    with counter.desk.engine.connect() as connection:
        row = connection.execute(
            select(models.subject.c.wrapped_key).where(models.subject.c.subject == subject)
        ).scalar_one()
    assert not any(row)
    assert kinds_of(counter, subject)[-1] is Kind.PERSON_ERASED
    assert counter.enrolment.register(WANG, "610113").subject != subject


SELF = "0badc0de"
IDS = [bytes([i]) * 16 for i in range(100)]


def declared(*said: Declared) -> tuple[Evidence, ...]:
    return declared_records(said, IDS, source=SELF, region="610000", now=NOW)


def test_declared_residence_of_a_long_life_counts_from_the_first_day_of_evidence() -> None:
    """Who has lived there since 1958 says so, and is not told that it cannot be."""
    (lives,) = declared(Declared(EvidenceKind.RESIDENCE, "lives", -378_720_000, place="610113"))
    assert lives.at == EARLIEST


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ((), Problem.MISSING_MEMBER),
        ((Declared(EvidenceKind.SYMPTOM, "cough", NOW),) * (MAX_DECLARED + 1), Problem.TOO_MANY),
        ((Declared(EvidenceKind.RESULT, "negative", NOW),), Problem.UNKNOWN_VALUE),
        ((Declared(EvidenceKind.CONTACT, "confirmed", NOW),), Problem.UNKNOWN_VALUE),
        ((Declared(EvidenceKind.SAMPLE, "taken", NOW),), Problem.UNKNOWN_VALUE),
        ((Declared(EvidenceKind.RECALL, "re-test", NOW),), Problem.UNKNOWN_VALUE),
        ((Declared(EvidenceKind.SYMPTOM, "sadness", NOW),), Problem.UNKNOWN_VALUE),
        ((Declared(EvidenceKind.SYMPTOM, "cough", NOW + 1),), Problem.TIME_OUT_OF_RANGE),
        ((Declared(EvidenceKind.SYMPTOM, "cough", NOW - 31 * 86400),), Problem.TIME_OUT_OF_RANGE),
        ((Declared(EvidenceKind.SYMPTOM, "cough", NOW - 9, NOW - 10),), Problem.TIME_OUT_OF_RANGE),
        ((Declared(EvidenceKind.SYMPTOM, "cough", NOW - 9, NOW + 1),), Problem.TIME_OUT_OF_RANGE),
        (
            (Declared(EvidenceKind.ARRIVAL, "entered", NOW + 1, place="231081"),),
            Problem.TIME_OUT_OF_RANGE,
        ),
    ],
)
def test_declared_records_beyond_what_people_may_say_are_refused(
    said: tuple[Declared, ...], problem: Problem
) -> None:
    """People declare symptoms, arrivals, residence and survey, about the last 30 days."""
    with pytest.raises(InputError) as caught:
        declared(*said)
    assert caught.value.problem is problem
