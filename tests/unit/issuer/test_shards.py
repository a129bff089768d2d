"""Shards: which key signs which code, never more than the limit, one filled after the other."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from audit.events import Kind
from issuer.codes.issue import CodeRequest, Issued
from issuer.codes.issuing import Issuing
from issuer.codes.mint import mint, self_check
from issuer.codes.shards import CodeKeyRow, read_code_keys, take_signers, write_code_key
from issuer.errors import CodeKeysFullError, IntegrityError, NoCodeKeyError
from issuer.storage.core import Authority
from issuer.storage.store import read_store, write_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.ed25519 import PublicKey
from keys.errors import KeyStateError
from keys.lifecycle import Purpose
from keys.recorded import KeySigner
from keys.trustlist import ListedKey
from tests.issuing_support import (
    DAY_S,
    NOW,
    SECRETS,
    Desk,
    authority,
    desk,
    holder_keys,
    signer,
    subject,
)
from verifier.claims import HOUR_S, KID_PLACE, Claims, Colour, Cti

EXP = NOW // HOUR_S * HOUR_S + DAY_S
CLAIMS = Claims(EXP, Cti(1000, 7), Colour.GREEN, holder_keys(1)[0])


class Stoppable:
    """A signer that may be told to sign no more."""

    slow = False

    def __init__(self, name: str) -> None:
        self._seed = signer(name)
        self.stopped = False

    @property
    def public_key(self) -> PublicKey:
        return self._seed.public_key

    @property
    def kid(self) -> bytes:
        return self._seed.kid

    def may_sign(self, _: int) -> bool:
        return not self.stopped

    def sign(self, message: bytes) -> bytes:
        return self._seed.sign(message)


def with_code_keys(
    *windows: tuple[str, int, int], limit: int = 50_000, signers: Sequence[KeySigner] = ()
) -> Authority:
    """An authority whose code keys have these names and windows."""
    plain = authority()
    others = tuple(key for key in plain.issuer.keys if key.purpose is not Purpose.CODE)
    keys = tuple(
        ListedKey(signer(name).public_key, Purpose.CODE, begin, end) for name, begin, end in windows
    )
    issuer = replace(plain.issuer, keys=others + keys)
    return replace(
        plain,
        issuer=issuer,
        trust=replace(plain.trust, issuers=(issuer,)),
        code_keys=tuple(signers) or tuple(signer(name) for name, _, _ in windows),
        codes_per_key=limit,
    )


def shards(*names: str, limit: int) -> Authority:
    return with_code_keys(*((name, NOW - DAY_S, NOW + 30 * DAY_S) for name in names), limit=limit)


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        yield opened


def take(office: Desk, wanted: Sequence[Claims], *, now: int = NOW) -> list[bytes]:
    """The kids of the keys that are to sign these."""
    return office.writer.run(lambda tx: Done([s.kid for s in take_signers(tx, wanted)]), now=now)


def counts(office: Desk) -> dict[bytes, int]:
    with read_store(office.engine) as store:
        return {row.kid: row.codes for row in read_code_keys(store, SECRETS)}


@pytest.mark.parametrize(
    ("window", "fits"),
    [
        ((NOW, EXP), True),
        ((NOW - DAY_S, EXP + 1), True),
        ((NOW + 1, EXP), False),
        ((NOW, EXP - 1), False),
        ((NOW - 2 * DAY_S, NOW), False),
    ],
)
def test_key_must_be_in_force_for_as_long_as_the_code(
    office: Desk,
    window: tuple[int, int],
    fits: bool,  # noqa: FBT001
) -> None:
    """A key that ends before the code would make it worthless in somebody's hand."""
    office.writer.authority = with_code_keys(("only", *window))
    if fits:
        assert take(office, [CLAIMS]) == [signer("only").kid]
    else:
        with pytest.raises(NoCodeKeyError):
            take(office, [CLAIMS])
        assert counts(office) == {}


def test_key_of_today_signs_the_codes_of_days_ahead(office: Desk) -> None:
    """A key signs on its own day only: tomorrow's key has nothing to do with tomorrow's codes."""
    daily = with_code_keys(("today", NOW, EXP + 7 * DAY_S), ("tomorrow", EXP, EXP + 8 * DAY_S))
    office.writer.authority = daily
    wanted = [CLAIMS, replace(CLAIMS, exp=EXP + DAY_S, cti=Cti(1000, 8))]
    assert take(office, wanted) == [signer("today").kid] * 2
    self_check(mint(wanted, [signer("today")] * 2), wanted, daily, now=NOW)


@pytest.mark.parametrize("purpose", [Purpose.STATUS, Purpose.RULES, Purpose.EVIDENCE])
def test_key_of_another_purpose_is_never_used(office: Desk, purpose: Purpose) -> None:
    """One purpose per key, also where the signer would do it."""
    office.writer.authority = replace(authority(), code_keys=(signer(purpose.value),))
    with pytest.raises(NoCodeKeyError):
        take(office, [CLAIMS])


def test_key_that_is_not_on_the_trust_list_is_never_used(office: Desk) -> None:
    """What no verifier knows, no verifier takes."""
    office.writer.authority = replace(authority(), code_keys=(signer("stranger"),))
    with pytest.raises(NoCodeKeyError):
        take(office, [CLAIMS])


def test_shards_are_filled_one_after_the_other(office: Desk) -> None:
    """Whatever the sizes of the sets, every key but the one in use has signed exactly its limit."""
    names = ("a", "b", "c")
    office.writer.authority = shards(*names, limit=10)
    used: list[bytes] = []
    for size in (1, 3, 7, 12, 2, 5):
        used += take(office, [CLAIMS] * size)
        full, rest = divmod(len(used), 10)
        expected = [10] * full + [rest] * (rest > 0)
        assert [counts(office)[signer(n).kid] for n in names[: len(expected)]] == expected
    assert used == [signer(n).kid for n in names for _ in range(10)]
    assert Counter(used) == counts(office)


def test_full_shards_refuse_and_count_nothing(office: Desk) -> None:
    """A set that does not fit is refused whole, with its own error; one that fits still goes."""
    office.writer.authority = shards("a", "b", limit=10)
    take(office, [CLAIMS] * 15)
    before = counts(office)
    with pytest.raises(CodeKeysFullError, match="activate a spare"):
        take(office, [CLAIMS] * 6)
    assert counts(office) == before
    take(office, [CLAIMS] * 5)
    with pytest.raises(CodeKeysFullError):
        take(office, [CLAIMS])
    office.writer.authority = shards("a", "b", "spare", limit=10)
    assert take(office, [CLAIMS]) == [signer("spare").kid]


def test_limit_that_was_lowered_stops_a_key_above_it(office: Desk) -> None:
    """What was signed stays signed, and nothing is added."""
    office.writer.authority = shards("a", "b", limit=10)
    take(office, [CLAIMS] * 8)
    office.writer.authority = shards("a", "b", limit=5)
    assert take(office, [CLAIMS]) == [signer("b").kid]


def test_key_that_may_sign_no_more_is_passed_over(office: Desk) -> None:
    """A key stopped by another process costs nobody his code: the next shard takes over."""
    first, second = Stoppable("a"), Stoppable("b")
    windows = [(name, NOW - DAY_S, NOW + 30 * DAY_S) for name in ("a", "b")]
    office.writer.authority = with_code_keys(*windows, signers=(first, second))
    assert take(office, [CLAIMS]) == [first.kid]
    first.stopped = True
    assert take(office, [CLAIMS]) == [second.kid]
    second.stopped = True
    with pytest.raises(NoCodeKeyError):
        take(office, [CLAIMS])


def test_two_writers_on_one_database_never_pass_the_limit(office: Desk) -> None:
    """Eight threads through two writers: each key signs exactly its limit, and then no more."""
    limit, size = 40, 3
    made = shards("a", "b", "c", limit=limit)
    office.writer.authority = made
    writers = [office.writer, Writer(office.engine, office.log, SECRETS, made)]
    used: list[bytes] = []
    refused = []

    def work(writer: Writer) -> None:
        for _ in range(8):
            try:
                used.extend(
                    writer.run(
                        lambda tx: Done([s.kid for s in take_signers(tx, [CLAIMS] * size)]),
                        now=NOW,
                    )
                )
            except CodeKeysFullError as error:
                refused.append(error)

    threads = [threading.Thread(target=work, args=(writers[i % 2],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(used) == counts(office)
    assert all(count <= limit for count in counts(office).values())
    assert len(used) == 3 * limit
    assert len(refused) == 8 * 8 - len(used) // size


def test_count_moves_with_the_codes_or_not_at_all(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that fails after counting counts nothing."""
    office.residents(2)
    (made,) = office.paper(0)
    before = counts(office)
    assert sum(before.values()) == len(made.codes)

    def crash(*_: object) -> None:
        raise OSError("the machine stops here")

    monkeypatch.setattr("issuer.codes.issue.insert_batches", crash)
    with pytest.raises(OSError, match="stops"):
        office.paper(1)
    assert counts(office) == before


def test_count_set_back_by_somebody_else_is_noticed(office: Desk) -> None:
    """Who writes to the database cannot give a key more codes than it may sign."""
    take(office, [CLAIMS])
    with write_store(office.engine) as store:
        store.run("UPDATE code_key SET codes = 0")
    with pytest.raises(IntegrityError, match="was changed"):
        take(office, [CLAIMS])


def test_key_that_was_stopped_signs_no_more(office: Desk) -> None:
    """A key whose count and log differ is passed over, whoever asks."""
    office.writer.authority = shards("a", "b", limit=10)
    take(office, [CLAIMS])
    (row,) = _rows(office)

    def stop(tx: Tx) -> Done[None]:
        write_code_key(tx, row, replace(row, stopped_at=NOW))
        return Done(None)

    office.writer.run(stop, now=NOW)
    assert take(office, [CLAIMS]) == [signer("b").kid]


def _rows(office: Desk) -> list[CodeKeyRow]:
    with read_store(office.engine) as store:
        return read_code_keys(store, SECRETS)


def test_event_says_which_keys_signed_how_many(office: Desk) -> None:
    """The log knows for each batch its keys and counts, also where a shard ends inside it."""
    office.residents(3)
    office.writer.authority = shards("a", "b", limit=10)
    requests = [CodeRequest(subject(i), "k", holder_keys(6, first=6 * i)) for i in range(3)]
    issued = [made for made in office.issue(*requests) if isinstance(made, Issued)]
    events = {event.event_id: event for event in office.log.events_of_kinds([Kind.CODES_ISSUED])}
    a, b = signer("a").kid, signer("b").kid
    six, four, two = (n.to_bytes(2, "big") for n in (6, 4, 2))
    assert {events[made.event_id].details["keys"] for made in issued} == {
        a + six, a + four + b + two, b + six,
    }  # fmt: skip
    for made in issued:
        said = events[made.event_id].details["keys"]
        assert isinstance(said, bytes)
        assert Counter(code[KID_PLACE] for code in made.codes) == {
            said[i : i + 4]: int.from_bytes(said[i + 4 : i + 6], "big")
            for i in range(0, len(said), 6)
        }
    assert office.findings() == []


async def test_key_stopped_while_it_signs_costs_nobody_a_code(office: Desk) -> None:
    """The set is made again with the keys that are left, once, and every caller has his codes."""
    office.residents(3)

    class StoppedMeanwhile(Stoppable):
        def sign(self, message: bytes) -> bytes:
            if self.stopped:
                raise KeyStateError("compromised")
            self.stopped = True
            return super().sign(message)

    windows = [(name, NOW - DAY_S, NOW + 30 * DAY_S) for name in ("a", "b")]
    signers = StoppedMeanwhile("a"), signer("b")
    office.writer.authority = with_code_keys(*windows, signers=signers)
    with Issuing(office.writer, clock=lambda: NOW) as issuing:
        made = await issuing.issue(CodeRequest(subject(0), "k", holder_keys(4)))
    assert isinstance(made, Issued)
    assert {code[KID_PLACE] for code in made.codes} == {signer("b").kid}
    assert counts(office) == {signer("b").kid: 4}
