"""Binding by one-time code: five tries, ten minutes, one use, one request; nobody learns more."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from audit.events import Kind
from issuer import models
from issuer.errors import InputError, IntegrityError, NotBoundError
from issuer.people import binding
from issuer.people.binding import (
    CODE_LIFE_S,
    MAX_ASKED_PER_HOUR,
    MAX_TRIES,
    Bound,
    Sessions,
    _digits,
)
from issuer.people.enrolment import Enrolment
from issuer.people.identity import Identity
from issuer.people.outbox import Message
from issuer.people.problems import Problem
from issuer.storage.store import Store, read_store
from tests.issuing_support import SECRETS, Desk, authority, desk
from tests.web_support import Clock, Phones, enrolment_over

NAME, PHONE = "王秀兰", "+8613800138000"
LIFE_S = 30 * 86400


@dataclass
class Counter:
    desk: Desk
    enrolment: Enrolment
    phones: Phones
    clock: Clock
    sessions: Sessions
    subject: bytes

    def asked(self, name: str = NAME, phone: str = PHONE) -> tuple[str, str]:
        request = self.enrolment.ask(name, phone)
        return request, self.phones.last_code()

    def bound(self) -> Bound:
        return self.enrolment.confirm(*self.asked())

    def whose(self, token: str) -> bytes:
        return self.sessions.look_up(token, now=self.clock.now)


@pytest.fixture
def counter(engine_url: str, tmp_path: Path) -> Iterator[Counter]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        phones, clock, sessions = Phones(), Clock(), Sessions(opened.engine, SECRETS.rows)
        _, enrolment = enrolment_over(opened, sessions, phones, clock)
        subject = enrolment.register(Identity(NAME, PHONE), "610113").subject
        yield Counter(opened, enrolment, phones, clock, sessions, subject)


def refuse(counter: Counter, request: str, code: str) -> None:
    """Every refusal is the same, whatever the reason."""
    with pytest.raises(InputError) as caught:
        counter.enrolment.confirm(request, code)
    assert (caught.value.problem, caught.value.field) == (Problem.CODE_REFUSED, "")


def other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_confirm_right_code_binds_and_is_logged(counter: Counter) -> None:
    """The right code gives a token for this person, and the log says that they bound."""
    bound = counter.bound()
    assert counter.whose(bound.token) == counter.subject
    assert bound.expires_at == counter.clock.now + LIFE_S
    kinds = [entry.event.kind for entry in counter.desk.log.events_of(counter.subject)]
    assert kinds[-1] is Kind.BOUND


def test_confirm_code_twice_is_refused(counter: Counter) -> None:
    """A code is good for one use."""
    request, code = counter.asked()
    counter.enrolment.confirm(request, code)
    refuse(counter, request, code)


def test_confirm_after_five_wrong_tries_is_refused_even_when_right(counter: Counter) -> None:
    """The sixth try is not looked at (C112)."""
    request, code = counter.asked()
    for _ in range(MAX_TRIES):
        refuse(counter, request, other(code))
    refuse(counter, request, code)


def test_confirm_on_the_fifth_try_is_accepted(counter: Counter) -> None:
    """Four mistakes are allowed."""
    request, code = counter.asked()
    for _ in range(MAX_TRIES - 1):
        refuse(counter, request, other(code))
    assert counter.enrolment.confirm(request, code).subject == counter.subject


def test_confirm_near_the_end_of_its_life(counter: Counter) -> None:
    """A code is good for ten minutes and not a second longer."""
    first, second = counter.asked(), counter.asked()
    counter.clock.now += CODE_LIFE_S - 1
    assert counter.enrolment.confirm(*first).subject == counter.subject
    counter.clock.now += 1
    refuse(counter, *second)


def test_confirm_code_of_another_request_is_refused(counter: Counter) -> None:
    """A code belongs to the request that it was made for (C112)."""
    first_request, first_code = counter.asked()
    second_request, second_code = counter.asked()
    if first_code != second_code:
        refuse(counter, first_request, second_code)
        refuse(counter, second_request, first_code)
    assert counter.enrolment.confirm(first_request, first_code).subject == counter.subject


def test_confirm_unknown_person_with_the_right_code_is_refused(counter: Counter) -> None:
    """Somebody unknown gets request and message like everybody, and the same refusal (C111)."""
    request, code = counter.asked("无此人", PHONE)
    refuse(counter, request, code)
    refuse(counter, "A" * 43, "000000")


def test_messages_to_known_and_unknown_differ_in_the_code_alone(counter: Counter) -> None:
    """The message says nothing about whether anybody is registered (C111)."""
    _, code = counter.asked()
    known = counter.phones.messages[-1]
    _, other_code = counter.asked("无此人", PHONE)
    unknown = counter.phones.messages[-1]
    assert known.text.zh.replace(code, "") == unknown.text.zh.replace(other_code, "")
    assert known.text.en.replace(code, "") == unknown.text.en.replace(other_code, "")


@pytest.mark.parametrize("name", [NAME, "无此人"])
def test_ask_more_than_five_times_an_hour_sends_nothing(counter: Counter, name: str) -> None:
    """Beyond an hour's codes the answer stays the same, but no message goes and no code fits."""
    for _ in range(MAX_ASKED_PER_HOUR):
        counter.asked(name)
    sent = len(counter.phones.messages)
    request = counter.enrolment.ask(name, PHONE)
    assert len(request) == 43
    assert len(counter.phones.messages) == sent
    refuse(counter, request, counter.phones.last_code())
    counter.clock.now += 3600
    counter.enrolment.ask(name, PHONE)
    assert len(counter.phones.messages) == sent + 1


def test_ask_in_vain_puts_the_next_code_off_no_further(counter: Counter) -> None:
    """Whoever goes on asking gets another code an hour after the last."""
    for _ in range(MAX_ASKED_PER_HOUR):
        counter.asked()
    sent = len(counter.phones.messages)
    for _ in range(6):
        counter.clock.now += 600
        counter.enrolment.ask(NAME, PHONE)
    assert len(counter.phones.messages) == sent + 1


@pytest.mark.parametrize("name", [NAME, "无此人"])
def test_ask_while_no_message_can_go_uses_up_no_code(
    counter: Counter, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A phone that tries again while the gateway is down gets its code when it is back."""
    with monkeypatch.context() as down:
        down.setattr(counter.phones, "deliver", _out_of_order)
        for _ in range(MAX_ASKED_PER_HOUR):
            with pytest.raises(ConnectionError):
                counter.enrolment.ask(name, PHONE)
    sent = len(counter.phones.messages)
    counter.asked(name)
    assert len(counter.phones.messages) == sent + 1


def _out_of_order(_message: Message) -> None:
    raise ConnectionError("the gateway is down")


def test_confirm_hundred_guesses_at_once_count_as_five(counter: Counter) -> None:
    """Guessing in parallel gets no more tries than guessing in turn (C112)."""
    request, code = counter.asked()
    guesses = [f"{(int(code) + 1 + i) % 1_000_000:06}" for i in range(100)]
    lanes = [guesses[i::10] for i in range(10)]

    def guess(lane: list[str]) -> None:
        for wrong in lane:
            refuse(counter, request, wrong)

    threads = [threading.Thread(target=guess, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with counter.desk.engine.connect() as connection:
        assert connection.execute(select(models.one_time_code.c.tries)).scalar_one() == MAX_TRIES
    refuse(counter, request, code)


def test_confirm_the_right_code_at_once_binds_once(counter: Counter) -> None:
    """Of ten who send the right code at the same moment, one is bound."""
    request, code = counter.asked()
    bound: list[Bound] = []

    def confirm() -> None:
        with contextlib.suppress(InputError):
            bound.append(counter.enrolment.confirm(request, code))

    threads = [threading.Thread(target=confirm) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bound) == 1


def test_binding_expires_and_binding_again_repeats_the_step(counter: Counter) -> None:
    """After its life a token is nobody's; the same step gives a new one (N8)."""
    token = counter.bound().token
    counter.clock.now += LIFE_S - 1
    assert counter.whose(token) == counter.subject
    counter.clock.now += 1
    with pytest.raises(NotBoundError):
        counter.whose(token)
    assert counter.sessions.recall(token, now=counter.clock.now) is None
    assert counter.whose(counter.bound().token) == counter.subject


def test_unbind_ends_one_binding_at_once(counter: Counter) -> None:
    """A revoked token is refused in this process from that moment on; others stay."""
    one, two = counter.bound(), counter.bound()
    assert counter.whose(one.token) == counter.whose(two.token)
    assert [b.binding_id for b in counter.enrolment.bindings(counter.subject)] == sorted(
        [one.binding_id, two.binding_id]
    )
    counter.enrolment.unbind(counter.subject, one.binding_id)
    assert counter.sessions.recall(one.token, now=counter.clock.now) is None
    with pytest.raises(NotBoundError):
        counter.whose(one.token)
    assert counter.whose(two.token) == counter.subject
    assert [b.binding_id for b in counter.enrolment.bindings(counter.subject)] == [two.binding_id]


def test_unbind_revoked_elsewhere_is_noticed_within_five_seconds(counter: Counter) -> None:
    """Another process that remembers a token looks it up again within five seconds."""
    bound = counter.bound()
    elsewhere = Sessions(counter.desk.engine, SECRETS.rows)
    elsewhere.look_up(bound.token, now=counter.clock.now)
    counter.enrolment.unbind(counter.subject, bound.binding_id)
    assert elsewhere.recall(bound.token, now=counter.clock.now + 4) == counter.subject
    assert elsewhere.recall(bound.token, now=counter.clock.now + 5) is None
    with pytest.raises(NotBoundError):
        elsewhere.look_up(bound.token, now=counter.clock.now + 5)


def test_unbind_while_the_token_is_looked_up_is_not_forgotten(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before the end of a binding is not remembered after it."""
    bound = counter.bound()

    @contextlib.contextmanager
    def slow(engine: Engine) -> Iterator[Store]:
        with read_store(engine) as store:
            yield store
        counter.enrolment.unbind(counter.subject, bound.binding_id)

    monkeypatch.setattr(binding, "read_store", slow)
    counter.whose(bound.token)
    assert counter.sessions.recall(bound.token, now=counter.clock.now) is None


def test_unbind_of_another_person_is_as_if_it_were_not_there(counter: Counter) -> None:
    """Nobody ends the binding of somebody else, nor learns that it exists (C113)."""
    bound = counter.bound()
    for binding_id in (bound.binding_id, b"unknown!"):
        with pytest.raises(InputError) as caught:
            counter.enrolment.unbind(b"somebody else---", binding_id)
        assert caught.value.problem is Problem.NOT_FOUND
    assert counter.whose(bound.token) == counter.subject


@pytest.mark.parametrize("token", ["", "A" * 43, "A" * 42, "A" * 44, "王" * 43, "A" * 42 + "\n"])
def test_look_up_of_no_token_is_refused(counter: Counter, token: str) -> None:
    """Only tokens that were given out are anybody's."""
    with pytest.raises(NotBoundError):
        counter.whose(token)


@pytest.mark.parametrize(
    "changed", [{"subject": b"somebody else---"}, {"expires_at": 2**40}, {"bound_at": 0}]
)
def test_look_up_of_a_changed_binding_is_refused(
    counter: Counter, changed: dict[str, bytes | int]
) -> None:
    """Who writes to the database alone cannot make a token somebody else's, or last longer."""
    token = counter.bound().token
    with counter.desk.engine.begin() as connection:
        connection.execute(update(models.binding).values(changed))
    with pytest.raises(NotBoundError):
        counter.whose(token)


@pytest.mark.parametrize("changed", [{"subject": b"somebody else---"}, {"tries": -100}])
def test_confirm_of_a_changed_code_is_refused(
    counter: Counter, changed: dict[str, bytes | int]
) -> None:
    """Nor lead a code to somebody else, or give it more tries."""
    request, code = counter.asked()
    with counter.desk.engine.begin() as connection:
        connection.execute(update(models.one_time_code).values(changed))
    refuse(counter, request, code)


def test_ask_by_a_changed_index_entry_is_refused(counter: Counter) -> None:
    """An index entry that was made to lead to somebody else gets no code."""
    with counter.desk.engine.begin() as connection:
        connection.execute(update(models.identity_index).values(subject=b"somebody else---"))
    with pytest.raises(IntegrityError):
        counter.asked()


def test_sessions_forget_the_oldest_beyond_their_limit(counter: Counter) -> None:
    """The memory of tokens is bounded."""
    few = Sessions(counter.desk.engine, SECRETS.rows, limit=2)
    tokens = [counter.bound().token for _ in range(3)]
    for token in tokens:
        few.look_up(token, now=counter.clock.now)
    known = [few.recall(token, now=counter.clock.now) is not None for token in tokens]
    assert known == [False, True, True]


def test_database_holds_neither_codes_nor_tokens(counter: Counter) -> None:
    """Codes and tokens are stored hashed, and the hash of a code is keyed."""
    request, code = counter.asked()
    token = counter.enrolment.confirm(request, code).token
    with counter.desk.engine.connect() as connection:
        for table in (models.one_time_code, models.binding):
            for row in connection.execute(select(table)):
                text = repr(tuple(row))
                assert token not in text
                assert request not in text
                assert f"'{code}'" not in text


def test_codes_use_all_six_digits() -> None:
    """Codes with leading zeros are as likely as others and keep their zeros."""

    assert _digits(bytes(16)) == "000000"
    assert _digits((7).to_bytes(16, "big")) == "000007"
    assert _digits((999_999).to_bytes(16, "big")) == "999999"
