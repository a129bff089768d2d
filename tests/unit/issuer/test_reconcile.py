"""Counts of signatures against entries of the log: agreement, and every way in which they part."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit.events import Event, Kind
from issuer.codes.batches import codes_by_key
from issuer.codes.issue import CodeRequest
from issuer.codes.mint import mint
from issuer.codes.shards import CodeKeyRow, read_code_keys, take_signers, write_code_key
from issuer.errors import IntegrityError, LogBehindError, NoCodeKeyError
from issuer.recovery.reconcile import Difference, read_position, reconcile
from issuer.storage.store import read_store, write_store
from issuer.storage.tx import Done, Tx
from keys.lifecycle import Purpose
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
from tests.log_support import log_away
from verifier.check import check_code
from verifier.claims import HOUR_S, Claims, Colour, Cti

KID = signer(Purpose.CODE.value).kid
EXP = NOW // HOUR_S * HOUR_S + DAY_S
CLAIMS = Claims(EXP, Cti(1000, 7), Colour.GREEN, holder_keys(1)[0])


@pytest.fixture
def office(engine_url: str, tmp_path: Path) -> Iterator[Desk]:
    with desk(engine_url, tmp_path, authority=authority()) as opened:
        opened.residents(4)
        yield opened


def run(office: Desk, *, now: int = NOW) -> list[Difference]:
    return office.writer.run(lambda tx: reconcile(tx, office.log), now=now)


def logged(office: Desk) -> dict[bytes, tuple[int, int]]:
    with read_store(office.engine) as store:
        return {row.kid: (row.codes, row.logged) for row in read_code_keys(store, SECRETS)}


def test_honest_issuer_agrees_with_its_log(office: Desk) -> None:
    """Codes of both media, in several sets: the count is what the entries add up to."""
    assert run(office) == []
    office.paper(0, 1)
    office.issue(CodeRequest(subject(2), "phone", holder_keys(5), 3))
    assert run(office) == []
    assert logged(office) == {KID: (7, 7)}
    assert office.log.events_of_kinds([Kind.SIGNATURES_DIFFER]) == []


def test_second_run_reads_only_what_came_since(
    office: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work of a run is what has happened since the last one, not the whole log."""
    asked: list[int] = []
    read = office.log.events_since

    def noted(leaf_index: int, kinds: list[Kind]) -> tuple[int, list[Event]]:
        asked.append(leaf_index)
        return read(leaf_index, kinds)

    monkeypatch.setattr(office.log, "events_since", noted)
    sizes = []
    for number in range(3):
        sizes.append(office.log.size())
        assert run(office) == []
        office.paper(number)
    assert asked == [0, *sizes[:2]]


def test_codes_that_wait_for_the_log_are_no_difference(office: Desk) -> None:
    """What is in the outbox is owed to the log, and counts as if it were there, but once."""
    with log_away(office.log):
        with pytest.raises(OSError, match="away"):
            office.paper(0)
        with write_store(office.engine) as store:
            tx = Tx(store, SECRETS, office.writer.authority, NOW, bytes)
            assert reconcile(tx, office.log).value == []
    assert logged(office) == {KID: (1, 0)}
    office.paper(1)
    assert run(office) == []
    assert logged(office) == {KID: (2, 2)}


def test_code_counted_and_not_logged_stops_its_key(office: Desk) -> None:
    """Somebody who owns database and secrets, signs with the real key and tells no log is seen."""
    office.paper(0)

    def behind_the_log(tx: Tx) -> Done[list[bytes]]:
        return Done(mint([CLAIMS], take_signers(tx, [CLAIMS])))  # counted, and no event staged

    (code,) = office.writer.run(behind_the_log, now=NOW)
    assert check_code(code, office.writer.authority.trust, now=NOW)
    found = run(office, now=NOW + 60)
    assert found == [Difference(KID, 2, 1, NOW + 60)]
    assert str(found[0]) == f"key {KID.hex()}: 2 codes counted, 1 in the log"
    (event,) = office.log.events_of_kinds([Kind.SIGNATURES_DIFFER])
    assert event.details == {"kid": KID, "codes": 2, "logged": 1}
    with pytest.raises(NoCodeKeyError):
        office.paper(1, now=NOW + 60)
    # It stays so, and is told in the log once.
    assert run(office, now=NOW + 120) == found
    assert len(office.log.events_of_kinds([Kind.SIGNATURES_DIFFER])) == 1


def test_code_logged_and_not_counted_stops_its_key(office: Desk) -> None:
    """An entry about codes that no count knows: something else issued, or the count went back."""
    codes = mint([CLAIMS], [signer(Purpose.CODE.value)])
    event = Event(
        bytes(16), Kind.CODES_ISSUED, NOW, subject(0), {"codes": 1, "keys": codes_by_key(codes)}
    )
    office.log.append([event], now=NOW)
    assert run(office) == [Difference(KID, 0, 1, NOW)]
    with pytest.raises(NoCodeKeyError):
        office.paper(0)


def test_only_the_key_that_differs_is_stopped(office: Desk) -> None:
    """Other shards go on: one bad key is no outage."""
    plain = authority()
    listed = tuple(key for key in plain.issuer.keys if key.purpose is not Purpose.CODE)
    code = next(key for key in plain.issuer.keys if key.purpose is Purpose.CODE)
    other = replace(code, public_key=signer("other").public_key)
    issuer = replace(plain.issuer, keys=(*listed, code, other))
    office.writer.authority = replace(
        office.writer.authority,
        issuer=issuer,
        trust=replace(plain.trust, issuers=(issuer,)),
        code_keys=(signer(Purpose.CODE.value), signer("other")),
    )
    office.paper(0)
    (row,) = _rows(office)

    def one_more(tx: Tx) -> Done[None]:
        write_code_key(tx, row, replace(row, codes=row.codes + 1))
        return Done(None)

    office.writer.run(one_more, now=NOW)
    assert [d.kid for d in run(office)] == [KID]
    office.paper(1)
    assert logged(office)[signer("other").kid][0] == 1


def test_code_signed_elsewhere_with_a_stolen_seed_is_not_seen_here(office: Desk) -> None:
    """The limit of this check, stated in the threat model: nothing here counts it."""
    office.paper(0)
    (code,) = mint([CLAIMS], [signer(Purpose.CODE.value)])
    assert check_code(code, office.writer.authority.trust, now=NOW)
    assert run(office) == []


def test_log_that_became_shorter_is_refused(office: Desk) -> None:
    """Restored from an older copy: nothing is compared with half a log."""
    office.paper(0)
    run(office)

    class Shorter:
        def knows(self, _: object) -> set[bytes]:
            return set()

        def events_since(self, leaf_index: int, _: object) -> tuple[int, list[Event]]:
            return leaf_index - 1, []

    with pytest.raises(LogBehindError):
        office.writer.run(lambda tx: reconcile(tx, Shorter()), now=NOW)


def test_position_set_forward_by_somebody_else_is_noticed(office: Desk) -> None:
    """Who writes to the database cannot make a run look away."""
    office.paper(0)
    run(office)
    with write_store(office.engine) as store:
        store.run("UPDATE log_position SET leaf_index = leaf_index + 1")
    with pytest.raises(IntegrityError, match="reconciled"):
        run(office)


def test_issue_and_reconcile_in_turn_never_differ(office: Desk) -> None:
    """At every moment between two transactions the two agree."""
    for number in range(4):
        office.issue(CodeRequest(subject(number), "k", holder_keys(3, first=number)))
        assert run(office) == []
    with read_store(office.engine) as store:
        assert read_position(store, SECRETS) == office.log.size()


def _rows(office: Desk) -> list[CodeKeyRow]:
    with read_store(office.engine) as store:
        return read_code_keys(store, SECRETS)
