"""Issuing: one effect for one request, no code a door would not take, nothing before the log."""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.events import Kind
from issuer.codes.batches import codes_digest, codes_held, person_keys
from issuer.codes.issue import MAX_CODES, MAX_HELD, CodeRequest, Issued, Refused, Withheld
from issuer.codes.issuing import MAX_WAITING, Issuing
from issuer.codes.lists import LISTS_A_DAY, open_lists
from issuer.codes.mint import expiries
from issuer.errors import (
    BusyError,
    IdempotencyConflictError,
    IntegrityError,
    ListsExhaustedError,
    NoCodeKeyError,
    NoPersonError,
    SealError,
    TooManyCodesError,
)
from issuer.storage.store import read_store, write_store
from issuer.storage.tx import Done, Tx
from keys.ed25519 import PublicKey
from tests.issuing_support import (
    DAY_S,
    NOW,
    SECRETS,
    Desk,
    authority,
    contact,
    desk,
    entered,
    holder_keys,
    subject,
)
from tests.log_support import log_away
from verifier.check import VENUE, Lists, Reason, check_bytes
from verifier.check import Kind as Verdict
from verifier.claims import HOUR_S, Colour, Medium, parse_code
from verifier.statuslist import StatusList


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


def fresh_lists(office: Desk, codes: tuple[bytes, ...], now: int) -> Lists:
    """Lists in which nothing was taken back."""
    numbers = {parse_code(code).list_number for code in codes}
    return Lists(
        office.writer.authority.trust,
        {
            number: StatusList(number, "610000", now, now + HOUR_S, 2, bytes(32_768), bytes(32))
            for number in numbers
        },
    )


def test_issue_green_person_gets_a_paper_code_that_a_venue_admits(office: Desk) -> None:
    """What the issuer releases is what the door takes, from evidence to verdict."""
    office.residents(1)
    (made,) = office.paper(0)
    (code,) = made.codes
    outcome = check_bytes(code, fresh_lists(office, made.codes, NOW), now=NOW, policy=VENUE)
    assert (outcome.kind, outcome.reason) == (Verdict.ADMIT, Reason.ADMITTED)
    assert parse_code(code).exp == NOW // HOUR_S * HOUR_S + 7 * DAY_S


def test_issue_red_person_gets_a_red_code(office: Desk) -> None:
    """A colour that keeps somebody out is shown as well: only pending has no code."""
    office.residents(1)
    office.record(contact(0))
    (made,) = office.paper(0)
    assert made.colour is Colour.RED
    assert parse_code(made.codes[0]).colour is Colour.RED


def test_issue_pending_person_gets_the_reason_and_no_code(office: Desk) -> None:
    """Missing data is said as such. No batch is made, and nothing says that codes were issued."""
    office.add_people([0])
    (result,) = office.issue(CodeRequest(subject(0), "a"))
    assert isinstance(result, Withheld)
    assert result.decision.reasons == "pending-residence"
    kinds = [logged.event.kind for logged in office.log.events_of(subject(0))]
    assert kinds == [Kind.DECIDED]


def test_issue_codes_for_days_ahead_share_one_grid_and_never_a_position(office: Desk) -> None:
    """Ends lie on whole hours a day apart, whoever asks; positions are all different."""
    office.residents(2)
    results = office.issue(
        CodeRequest(subject(0), "a", holder_keys(6), 3),
        CodeRequest(subject(1), "a", holder_keys(6, first=6), 3),
        now=NOW + 1234,
    )
    codes = [[parse_code(code) for code in r.codes] for r in results if isinstance(r, Issued)]
    first = NOW // HOUR_S * HOUR_S + DAY_S
    for own in codes:
        assert [code.exp - first for code in own] == [0, 0, DAY_S, DAY_S, 2 * DAY_S, 2 * DAY_S]
    places = [(code.list_number, code.status_index) for own in codes for code in own]
    assert len(set(places)) == 12
    assert {code.holder_key for own in codes for code in own} == set(holder_keys(12))


def test_issue_no_code_for_a_day_that_begins_after_the_colour_changes(office: Desk) -> None:
    """Who turns green in two days gets no red code for the day after."""
    office.residents(1)
    office.record(contact(0, at=NOW - 13 * DAY_S))
    (result,) = office.issue(CodeRequest(subject(0), "a", holder_keys(7), 7))
    assert isinstance(result, Issued)
    (decision,) = [e.event for e in office.log.events_of(subject(0)) if e.event.kind == "decided"][
        -1:
    ]
    changes_at = decision.details["changes"]
    assert isinstance(changes_at, int)
    begins = [parse_code(code).not_before for code in result.codes]
    assert len(begins) == 2
    assert all(begin < changes_at for begin in begins)


@given(second=st.integers(0, DAY_S - 1))
def test_expiries_say_nothing_about_the_minute(second: int) -> None:
    """Everybody who asks within one hour gets the same ends."""
    now = NOW + second
    assert expiries(Medium.PHONE, 2, now=now) == expiries(Medium.PHONE, 2, now=now // 3600 * 3600)


def test_issue_each_batch_has_a_log_entry_with_its_digest(office: Desk) -> None:
    """The log says how many codes of which colour were issued, and which: by digest alone."""
    office.residents(1)
    (made,) = office.paper(0)
    (event,) = [
        e.event for e in office.log.events_of(subject(0)) if e.event.kind is Kind.CODES_ISSUED
    ]
    assert event.event_id == made.event_id
    with read_store(office.engine) as store:
        key = person_keys(store, SECRETS, [subject(0)])[subject(0)]
    assert event.details["digest"] == codes_digest(made.codes, key=key)
    assert (event.details["codes"], event.details["colour"]) == (1, 0)


def test_issue_same_key_and_body_gives_the_same_codes(office: Desk) -> None:
    """A retry has no second effect, in the same transaction or in a later one."""
    office.residents(1)
    asked = CodeRequest(subject(0), "key", holder_keys(3))
    first, second = office.issue(asked, asked)
    (third,) = office.issue(asked, now=NOW + 5 * HOUR_S)
    assert isinstance(first, Issued)
    assert isinstance(third, Issued)
    assert first == second
    assert (third.codes, third.repeated) == (first.codes, True)
    with read_store(office.engine) as store:
        assert store.rows("SELECT count(*) FROM code_batch") == [(1,)]


def phone_codes(person: int, turn: int) -> CodeRequest:
    """As many fresh phone codes for today as one request may ask for."""
    return CodeRequest(subject(person), f"{turn}", holder_keys(MAX_CODES, first=turn * MAX_CODES))


def test_issue_to_who_holds_as_many_codes_as_anybody_may_is_refused(office: Desk) -> None:
    """One person cannot use up what keys and lists have for everybody; codes that ended are free.

    What was fetched is given again, others get theirs, and so does whoever asks tomorrow.
    """
    office.residents(2)
    asked = [phone_codes(0, turn) for turn in range(MAX_HELD // MAX_CODES)]
    office.issue(*asked[:3])
    first, *others, paper, other = office.issue(
        *asked, CodeRequest(subject(0), "paper"), phone_codes(1, 0)
    )
    assert all(isinstance(result, Issued) for result in [first, *others, other])
    assert isinstance(paper, Refused)
    assert isinstance(paper.error, TooManyCodesError)
    (again,) = office.issue(asked[0])
    assert isinstance(again, Issued)
    assert again.repeated
    tomorrow = max(parse_code(code).exp for code in again.codes)
    office.paper(0, now=tomorrow)
    with read_store(office.engine) as store:
        assert codes_held(store, [subject(0)], now=tomorrow) == {subject(0): 1}


def test_issue_counts_codes_that_were_taken_back(office: Desk) -> None:
    """Their positions are used up as well: nobody gets others by declaring this and that."""
    office.residents(1)
    office.issue(*(phone_codes(0, turn) for turn in range(MAX_HELD // MAX_CODES)))
    office.record(contact(0))
    (refused,) = office.issue(CodeRequest(subject(0), "paper"), now=NOW + 1)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, TooManyCodesError)


@pytest.mark.parametrize("together", [True, False])
def test_issue_same_key_and_other_body_is_a_conflict(office: Desk, together: bool) -> None:  # noqa: FBT001
    """A key that comes back with another request is refused; the first one stands."""
    office.residents(1)
    one = CodeRequest(subject(0), "key")
    other = CodeRequest(subject(0), "key", holder_keys(1))
    if together:
        first, second = office.issue(one, other)
    else:
        (first,), (second,) = office.issue(one), office.issue(other)
    assert isinstance(first, Issued)
    assert isinstance(second, Refused)
    assert isinstance(second.error, IdempotencyConflictError)


def test_issue_same_key_of_two_people_are_two_requests(office: Desk) -> None:
    """Nobody can guess or block another person's key."""
    office.residents(2)
    one, two = office.paper(0, 1, key="same")
    assert one.codes != two.codes


def test_issue_to_unknown_and_erased_people_is_refused(office: Desk) -> None:
    """No key, no code; those beside them in the set get theirs."""
    office.residents(2)
    with write_store(office.engine) as store:
        store.run("UPDATE subject SET wrapped_key = ? WHERE subject = ?", (bytes(72), subject(1)))
    green, erased, unknown = office.issue(*(CodeRequest(subject(n), "a") for n in (0, 1, 99)))
    assert isinstance(green, Issued)
    for result in (erased, unknown):
        assert isinstance(result, Refused)
        assert isinstance(result.error, NoPersonError)


def test_issue_after_evidence_was_changed_by_sql_follows_the_evidence_not_the_decision(
    office: Desk,
) -> None:
    """No column sets a colour: whoever writes 0 into `decision` gets a red code all the same."""
    office.residents(1)
    office.record(contact(0))
    with write_store(office.engine) as store:
        store.run("UPDATE decision SET colour = 0")
    (made,) = office.paper(0)
    assert made.colour is Colour.RED


def test_issue_when_no_key_is_in_force_makes_nothing(office: Desk) -> None:
    """A code key that ends before the code would is not used, and no position is burned."""
    office.residents(1)
    office.writer.authority = replace(office.writer.authority, code_keys=())
    with pytest.raises(NoCodeKeyError):
        office.paper(0)
    with read_store(office.engine) as store:
        assert store.rows("SELECT number FROM status_list") == []


def test_issue_beyond_the_last_list_number_is_refused(engine_url: str, tmp_path: Path) -> None:
    """The issuer never uses a number that the trust list gives to another one."""
    few = authority(first_list=7, last_list=7)
    with desk(engine_url, tmp_path, authority=few) as office:
        office.residents(2)
        office.paper(0)
        with pytest.raises(ListsExhaustedError):
            office.issue(CodeRequest(subject(1), "a", holder_keys(2), 2))


def test_issue_a_full_list_is_followed_by_the_next(office: Desk) -> None:
    """Positions go on in new lists; each of them comes once."""
    office.residents(20)
    day = (NOW // HOUR_S * HOUR_S + 7 * DAY_S) // DAY_S

    def small(tx: Tx) -> Done[frozenset[int]]:
        return Done(open_lists(tx, range(day, day + 1), size=4))

    numbers = office.writer.run(small, now=NOW)
    assert len(numbers) == LISTS_A_DAY
    made = [code for item in office.paper(*range(20)) for code in map(parse_code, item.codes)]
    assert len({(code.list_number, code.status_index) for code in made}) == 20
    used = Counter(code.list_number for code in made)
    assert {number: used[number] for number in numbers} == dict.fromkeys(numbers, 4)
    assert used.keys() - numbers == set(range(max(numbers) + 1, max(numbers) + 1 + LISTS_A_DAY))


def test_issue_deals_the_codes_of_one_request_over_the_lists_of_their_day(office: Desk) -> None:
    """Neighbours of a batch stand in different lists, and no list has more than its share."""
    office.residents(2)
    for number, size in enumerate((8, 6)):
        request = CodeRequest(subject(number), "phone", holder_keys(size))
        (made,) = office.issue(request)
        assert isinstance(made, Issued)
        lists = [parse_code(code).list_number for code in made.codes]
        assert all(one != other for one, other in itertools.pairwise(lists))
        assert max(Counter(lists).values()) == -(-size // LISTS_A_DAY)


def test_issue_with_a_cursor_put_back_by_sql_refuses(office: Desk) -> None:
    """Whoever turns a cursor back gets no position a second time."""
    office.residents(2)
    office.paper(0)
    with write_store(office.engine) as store:
        store.run("UPDATE status_list SET cursor = 0")
    with pytest.raises(IntegrityError, match="was changed"):
        office.paper(1)


@pytest.mark.parametrize(
    ("keys", "days", "key"),
    [((), 2, "a"), (holder_keys(2), 3, "a"), (holder_keys(8), 8, "a"), (holder_keys(1), 0, "a"),
     (holder_keys(1) * 2, 1, "a"), (holder_keys(MAX_CODES + 1), 1, "a"), ((), 1, ""),
     ((), 1, "k" * 65)],
)  # fmt: skip
def test_code_request_out_of_bounds_is_refused(
    keys: tuple[PublicKey, ...], days: int, key: str
) -> None:
    """Days without a code, a key used for two codes, too many of anything."""
    with pytest.raises(ValueError, match=r"1 to|at most"):
        CodeRequest(subject(0), key, keys, days)


def test_issue_set_of_many_equals_many_sets_of_one(tmp_path: Path) -> None:
    """One request is a set of one: apart from positions and ids, the same comes out."""

    def outcome(name: str, *, together: bool) -> list[tuple[object, ...]]:
        (tmp_path / name).mkdir()
        url = f"sqlite:///{tmp_path}/{name}/issuer.db"
        with desk(url, tmp_path / name, authority=authority()) as office:
            office.residents(6)
            office.add_people([6])
            office.record(contact(1), entered(2))
            asked = [CodeRequest(subject(i), "a", holder_keys(i % 3)) for i in range(7)]
            sets = [asked] if together else [[request] for request in asked]
            results = [result for one in sets for result in office.issue(*one)]
            assert office.findings() == []
        return [
            tuple((c.exp, c.colour, c.holder_key) for c in map(parse_code, result.codes))
            if isinstance(result, Issued)
            else (type(result),)
            for result in results
        ]

    assert outcome("one", together=True) == outcome("many", together=False)


# --- the service ----------------------------------------------------------------------------------


def service(office: Desk) -> Issuing:
    return Issuing(office.writer, clock=lambda: NOW)


async def test_issuing_100_identical_requests_at_once_have_one_effect(office: Desk) -> None:
    """C110: everybody gets the same codes; there is one batch and one log entry."""
    office.residents(1)
    asked = CodeRequest(subject(0), "key", holder_keys(4))
    with service(office) as issuing:
        results = await asyncio.gather(*(issuing.issue(asked) for _ in range(100)))
    assert len({result.codes for result in results if isinstance(result, Issued)}) == 1
    assert all(isinstance(result, Issued) for result in results)
    assert office.findings() == []
    kinds = [e.event.kind for e in office.log.events_of(subject(0))]
    assert kinds.count(Kind.CODES_ISSUED) == 1


async def _blocked(issuing: Issuing) -> tuple[asyncio.Future[None], threading.Event]:
    """A transaction that runs until the event is set, so that all others wait."""
    held, go = threading.Event(), threading.Event()

    def slow(_: Tx) -> Done[None]:
        held.set()
        go.wait(10)
        return Done(None)

    blocker = asyncio.ensure_future(issuing.run(slow))
    await asyncio.to_thread(held.wait, 10)
    return blocker, go


async def test_issuing_waiting_requests_share_their_commits(office: Desk) -> None:
    """While one transaction runs, all others wait together and go into the next one."""
    office.residents(40)
    with service(office) as issuing:
        blocker, go = await _blocked(issuing)
        waiting = [
            asyncio.ensure_future(issuing.issue(CodeRequest(subject(i), "a"))) for i in range(40)
        ]
        await asyncio.sleep(0)
        before = office.log.size()
        go.set()
        await asyncio.gather(blocker, *waiting)
    with read_store(office.engine) as store:
        ((sequence,),) = store.rows("SELECT max(sequence) FROM outbox")
        ((issued,),) = store.rows("SELECT count(*) FROM code_batch")
    assert issued == 40
    assert office.log.size() == before + 40
    assert sequence == 4  # rules, risks, residents, and one for all forty


async def test_issuing_beyond_its_queue_says_busy_and_does_nothing(office: Desk) -> None:
    """The queue is bounded; whoever is turned away has had no effect, whoever waits is served."""
    office.residents(1)
    with service(office) as issuing:
        blocker, go = await _blocked(issuing)
        asked = CodeRequest(subject(0), "a")
        waiting = [asyncio.ensure_future(issuing.issue(asked)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await issuing.issue(CodeRequest(subject(0), "b"))
        go.set()
        await asyncio.gather(blocker, *waiting)
    with read_store(office.engine) as store:
        assert store.rows("SELECT count(*) FROM code_batch") == [(1,)]


async def test_issuing_stopped_answers_who_waits_and_takes_no_more(office: Desk) -> None:
    """A clean end: nobody is left without an answer."""
    office.residents(5)
    with service(office) as issuing:
        waiting = [
            asyncio.ensure_future(issuing.issue(CodeRequest(subject(i), "a"))) for i in range(5)
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting)
    assert all(isinstance(result, Issued) for result in results)
    with pytest.raises(BusyError):
        await issuing.issue(CodeRequest(subject(0), "late"))


async def test_issuing_one_damaged_person_does_not_keep_others_from_their_codes(
    office: Desk,
) -> None:
    """A row that does not open is an error for its owner alone."""
    office.residents(4)
    with write_store(office.engine) as store:
        store.run("UPDATE subject SET created_at = created_at + 1 WHERE subject = ?", (subject(2),))
    with service(office) as issuing:
        results = await asyncio.gather(
            *(issuing.issue(CodeRequest(subject(i), "a")) for i in range(4)),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [Issued, Issued, SealError, Issued]


async def test_issuing_while_the_log_is_away_releases_nothing_and_then_the_same(
    office: Desk,
) -> None:
    """No log, no code. A retry gets the batch that was made, once the log has its entry."""
    office.residents(1)
    asked = CodeRequest(subject(0), "a")

    with service(office) as issuing:
        with log_away(office.log):
            for _ in range(2):
                with pytest.raises(OSError, match="away"):
                    await issuing.issue(asked)
        result = await issuing.issue(asked)
    assert isinstance(result, Issued)
    assert office.log.knows([result.event_id]) == {result.event_id}
    assert office.findings() == []


def test_batches_are_readable_under_no_other_secret(office: Desk) -> None:
    """Who has the database and not the key encryption key learns nothing of who holds what."""
    office.residents(1)
    (made,) = office.paper(0)
    with read_store(office.engine) as store:
        ((sealed, wrapped),) = store.rows("SELECT sealed, wrapped_key FROM code_batch, subject")
    assert made.codes[0] not in sealed
    assert made.codes[0][-64:] not in sealed
    assert SECRETS.kek not in wrapped
