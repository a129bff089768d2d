"""Codes of a stolen key made anew: for everybody who holds one, and nobody else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from audit.events import Kind
from issuer.codes.batches import take_back
from issuer.codes.issue import CodeRequest, Issued, Refused, Result
from issuer.codes.reissue import Reissued, reissue
from issuer.errors import IdempotencyConflictError, KeyInUseError, NoCodeKeyError
from issuer.storage.core import Authority
from issuer.storage.store import read_store, write_store
from issuer.storage.tx import Done
from keys.lifecycle import Purpose
from keys.trustlist import ListedKey
from tests.issuing_support import (
    DAY_S,
    NOW,
    Desk,
    authority,
    contact,
    desk,
    holder_keys,
    signer,
    subject,
)
from verifier.claims import ParsedCode, parse_code
from verifier.statuslist import Status

STOLEN = signer(Purpose.CODE.value)
RESERVE = signer("reserve code key")


def with_reserve() -> Authority:
    """An authority whose trust list names a second code key, which signs nothing yet."""
    plain = authority()
    window = (NOW - 30 * DAY_S, NOW + 400 * DAY_S)
    reserve = ListedKey(RESERVE.public_key, Purpose.CODE, *window)
    issuer = replace(plain.issuer, keys=(*plain.issuer.keys, reserve))
    return replace(
        plain,
        issuer=issuer,
        trust=replace(plain.trust, issuers=(issuer,)),
        code_keys=(STOLEN, RESERVE),
    )


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=with_reserve()) as opened:
        yield opened


def stop(office: Desk) -> None:
    """The stolen key signs no more, and the reserve does."""
    office.writer.authority = replace(office.writer.authority, code_keys=(RESERVE,))


def again(office: Desk, number: int, key: str = "paper") -> Issued:
    (result,) = office.issue(CodeRequest(subject(number), key), now=NOW + 2)
    assert isinstance(result, Issued), result
    return result


def shape(code: ParsedCode) -> tuple[object, ...]:
    """What a code promises, whoever signed it."""
    return code.exp, code.holder_key, code.colour


def codes_in(results: Sequence[Result]) -> list[ParsedCode]:
    return [
        parse_code(code)
        for result in results
        if isinstance(result, Issued)
        for code in result.codes
    ]


def statuses(office: Desk) -> dict[tuple[int, int], int]:
    with read_store(office.engine) as store:
        rows = store.rows("SELECT list_number, status_index, status FROM status_change")
    return {(number, index): status for number, index, status in rows}


def batches(office: Desk) -> int:
    with read_store(office.engine) as store:
        ((count,),) = store.rows("SELECT count(*) FROM code_batch")
    return int(count)


def test_reissue_gives_everybody_the_same_codes_under_another_key(office: Desk) -> None:
    """Same ends, same phones, same colour; another key, another position; the old ones marked."""
    office.residents(5)
    phone = CodeRequest(subject(4), "phone", holder_keys(6), days=3)
    before = [*office.paper(0, 1, 2, 3), *office.issue(phone)]
    old = [
        parse_code(code) for batch in before if isinstance(batch, Issued) for code in batch.codes
    ]
    stop(office)
    done = reissue(office.writer, STOLEN.kid, now=NOW + 1)
    assert done == Reissued(seen=5, taken_back=10, made=10, people=5)
    (made,) = office.issue(phone, now=NOW + 2)
    after = [*(again(office, number) for number in range(4)), made]
    new = codes_in(after)
    assert list(map(shape, new)) == list(map(shape, old))
    assert {code.kid for code in new} == {RESERVE.kid}
    marked = {(code.list_number, code.status_index) for code in old}
    assert marked.isdisjoint((code.list_number, code.status_index) for code in new)
    assert statuses(office) == dict.fromkeys(marked, int(Status.SUPERSEDED))
    assert office.findings(now=NOW + 2) == []


def test_reissue_a_second_time_does_nothing(office: Desk) -> None:
    """Nothing of the key is alive any more, so it may be run again after a crash."""
    office.residents(3)
    office.paper(0, 1, 2)
    stop(office)
    reissue(office.writer, STOLEN.kid, now=NOW + 1)
    size = office.log.size()
    assert reissue(office.writer, STOLEN.kid, now=NOW + 2) == Reissued(seen=3)
    assert office.log.size() == size


def test_reissue_that_crashed_goes_on_where_it_was(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between two sets, or before the log has one, loses no code and makes none twice."""
    office.residents(7)
    office.paper(*range(7))
    stop(office)
    append, calls = office.log.append, iter([True, False])

    def crash_in_the_second_set(*args: object, **kwargs: object) -> list[int]:
        if not next(calls):
            raise SystemExit
        return append(*args, **kwargs)  # type: ignore[arg-type] # as they came

    with monkeypatch.context() as patched:
        patched.setattr(office.log, "append", crash_in_the_second_set)
        with pytest.raises(SystemExit):
            reissue(office.writer, STOLEN.kid, now=NOW + 1, set_size=2)
    office.writer.recover(now=NOW + 1)
    done = reissue(office.writer, STOLEN.kid, now=NOW + 1, set_size=2)
    assert 0 < done.made < 7
    assert batches(office) == 7 + 7
    assert {parse_code(again(office, n).codes[0]).kid for n in range(7)} == {RESERVE.kid}
    assert len(statuses(office)) == 7
    assert office.findings(now=NOW + 2) == []


def test_reissue_leaves_codes_of_other_keys_alone(office: Desk) -> None:
    """Who holds no code of the key notices nothing."""
    office.residents(2)
    office.paper(0)
    stop(office)
    office.paper(1)
    done = reissue(office.writer, STOLEN.kid, now=NOW + 1)
    assert (done.seen, done.made) == (2, 1)
    assert len(statuses(office)) == 1


def test_reissue_passes_over_what_is_over(office: Desk) -> None:
    """Expired, taken-back and erased people's codes are not made anew."""
    office.residents(3)
    office.issue(CodeRequest(subject(0), "phone", holder_keys(1)))
    office.paper(1, 2)

    def withdraw(tx):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        taken = take_back(tx, [subject(1)], Status.WITHDRAWN)
        return Done(None, taken)

    office.writer.run(withdraw, now=NOW)
    with write_store(office.engine) as store:
        store.run("UPDATE subject SET wrapped_key = ? WHERE subject = ?", (bytes(72), subject(2)))
    stop(office)
    done = reissue(office.writer, STOLEN.kid, now=NOW + 2 * DAY_S)
    assert done == Reissued(seen=1)


def test_reissue_of_somebody_who_turned_red_meanwhile_makes_no_green_code(office: Desk) -> None:
    """The decision is made anew, as at every issue: old codes are taken back, none is made."""
    office.residents(2)
    office.paper(0, 1)
    stop(office)
    entry = contact(0)
    with write_store(office.engine) as store:
        record = entry.record
        store.run(
            "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.subject, record.evidence_id, record.kind.value, record.at, record.until,
                record.place, record.value, record.source, record.origin_region,
                record.recorded_at,
            ),
        )  # fmt: skip
    done = reissue(office.writer, STOLEN.kid, now=NOW + 1)
    assert (done.taken_back, done.made, done.people, done.ask_again) == (2, 1, 1, 1)
    kinds = [logged.event.kind for logged in office.log.events_of(subject(0))]
    assert kinds[-2:] == [Kind.DECIDED, Kind.CODES_TAKEN_BACK]


def test_reissue_while_the_key_may_still_sign_is_refused(office: Desk) -> None:
    """The new codes could be signed by it again."""
    office.residents(1)
    office.paper(0)
    with pytest.raises(KeyInUseError, match="compromise"):
        reissue(office.writer, STOLEN.kid, now=NOW)


def test_reissue_without_another_key_changes_nothing(office: Desk) -> None:
    """No reserve: nobody's code is taken back before another one can be made."""
    office.residents(1)
    office.paper(0)
    office.writer.authority = replace(office.writer.authority, code_keys=())
    with pytest.raises(NoCodeKeyError):
        reissue(office.writer, STOLEN.kid, now=NOW)
    assert statuses(office) == {}


def test_reissue_with_a_damaged_batch_serves_everybody_else(office: Desk) -> None:
    """One row that does not open is counted, and keeps nobody from new codes."""
    office.residents(5)
    (damaged, *_) = office.paper(*range(5))
    with write_store(office.engine) as store:
        store.run("UPDATE code_batch SET colour = 2 WHERE event_id = ?", (damaged.event_id,))
    stop(office)
    done = reissue(office.writer, STOLEN.kid, now=NOW + 1, set_size=3)
    assert (done.made, done.damaged) == (4, 1)


def test_reissued_request_with_other_content_is_still_a_conflict(office: Desk) -> None:
    """The new batch answers the old request and no other."""
    office.residents(1)
    office.paper(0)
    stop(office)
    reissue(office.writer, STOLEN.kid, now=NOW + 1)
    (result,) = office.issue(CodeRequest(subject(0), "paper", holder_keys(1)), now=NOW + 2)
    assert isinstance(result, Refused)
    assert isinstance(result.error, IdempotencyConflictError)


def test_reissued_codes_can_be_made_anew_once_more(office: Desk) -> None:
    """A second theft: the request leads to the newest codes."""
    office.residents(1)
    office.paper(0)
    stop(office)
    reissue(office.writer, STOLEN.kid, now=NOW + 1)
    office.writer.authority = replace(office.writer.authority, code_keys=(STOLEN,))
    reissue(office.writer, RESERVE.kid, now=NOW + 1)
    assert parse_code(again(office, 0).codes[0]).kid == STOLEN.kid
    assert office.findings(now=NOW + 2) == []
