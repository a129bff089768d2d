"""Between regions: what one tells has its effect in the other once, and can be contested."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from audit.events import Kind as EventKind
from issuer.between.appeals import APPEAL_S, State, appeals_of, theirs
from issuer.between.inbox import MAX_EARLY
from issuer.between.message import Ground
from issuer.between.reason import Reason
from issuer.between.rows import AppealRow, Sent, WaitingRow, put
from issuer.between.sending import backoff_s, open_notices
from issuer.between.waiting import RETENTION_S
from issuer.codes.issue import CodeRequest, Issued
from issuer.colour.declare import Declared
from issuer.colour.evidence import Kind
from issuer.errors import InputError, RegionError, RegionNoticeError
from issuer.people.identity import Identity
from issuer.people.own import declare
from issuer.storage.core import Authority
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx
from tests.issuing_support import DAY_S, NOW
from tests.regions_support import (
    HEILONGJIANG,
    SHAANXI,
    TRAVELLER,
    Post,
    Side,
    contact_of,
    two_regions,
)

GREEN, YELLOW, RED, PENDING = 0, 1, 2, None


def tell(there: Side, here: Side, *numbers: int, person: Identity = TRAVELLER) -> None:
    """Tell, deliver and take."""
    records = [contact_of(number, now=there.clock()) for number in numbers]
    there.exchange.tell(SHAANXI, person, records)
    there.exchange.deliver()
    here.exchange.take()


def exchange_all(there: Side, here: Side) -> None:
    """What waits on either side goes over, and has its effect."""
    for one, other in ((here, there), (there, here)):
        one.exchange.deliver()
        other.exchange.take()


def queued(side: Side, to: str) -> list[Sent]:
    with read_store(side.desk.engine) as store:
        return open_notices(store, side.desk.writer.secrets, to)


def appeals_in(side: Side, subject: bytes) -> list[AppealRow]:
    with read_store(side.desk.engine) as store:
        return appeals_of(store, side.desk.writer.secrets, subject)


def asked_of(side: Side) -> list[AppealRow]:
    with read_store(side.desk.engine) as store:
        return theirs(store, side.desk.writer.secrets)


def events_of(side: Side, subject: bytes, *kinds: EventKind) -> list[EventKind]:
    found = (logged.event.kind for logged in side.desk.log.events_of(subject))
    return [kind for kind in found if kind in kinds]


def require_honest(*sides: Side) -> None:
    for side in sides:
        assert side.desk.findings(now=side.clock()) == []


def test_told_evidence_turns_a_registered_traveller_red_and_names_its_origin(
    tmp_path: Path,
) -> None:
    """The decision rests on the other region's record, and says so."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        assert here.colour(subject) == GREEN
        tell(there, here, 1)
        assert here.colour(subject) == RED
        assert here.reasons(subject) == f"red-contact@{HEILONGJIANG}"
        assert queued(there, SHAANXI) == []
        require_honest(there, here)


def test_told_person_who_is_registered_with_the_sender_reads_that_it_was_told(
    tmp_path: Path,
) -> None:
    """The event is about the person where the sender knows them, and about nobody otherwise."""
    with two_regions(tmp_path) as (there, here):
        subject = there.register()
        tell(there, here, 1)
        assert events_of(there, subject, EventKind.REGION_NOTICE_SENT)


@pytest.mark.parametrize(
    "asked", [TRAVELLER, Identity("王秀兰", None, "11010519491231002X")], ids=["phone", "number"]
)
def test_told_person_who_registers_later_is_matched_then(tmp_path: Path, asked: Identity) -> None:
    """Until then nothing is known; registering brings the record in, once."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1, 2)
        assert here.desk.colours() == {}
        there.clock.now += 13 * DAY_S
        subject = here.register(asked)
        assert here.colour(subject) == RED
        assert events_of(here, subject, EventKind.EVIDENCE_RECORDED).count(
            EventKind.EVIDENCE_RECORDED
        ) == 3  # fmt: skip
        assert _count(here, "region_waiting") == 0
        require_honest(here)


def test_told_person_with_the_number_of_one_and_the_name_of_another_is_not_matched(
    tmp_path: Path,
) -> None:
    """Who registers with a stranger's identity number does not get what waits for the stranger."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1)
        thief = here.register(Identity("李强", "+8613900139000", TRAVELLER.identity_number))
        assert here.colour(thief) == GREEN
        assert _count(here, "region_waiting") == 2


def test_waiting_evidence_is_dropped_after_its_retention(tmp_path: Path) -> None:
    """What nobody came for is forgotten, and matches nobody in its last second's wake."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1)
        there.clock.now += RETENTION_S
        assert here.colour(here.register()) == GREEN
        here.exchange.maintain()
        assert _count(here, "region_waiting") == 0


def test_waiting_evidence_shows_nothing_to_who_has_database_and_keys(tmp_path: Path) -> None:
    """A row holds no name, no kind and no value, and is the same size for every kind."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1)
        with here.desk.engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM region_waiting")).all()
        assert len(rows) == 2  # by name and phone, and by identity number
        for row in rows:
            held = b"".join(value for value in row if isinstance(value, bytes))
            assert b"contact" not in held
            assert "王秀兰".encode() not in held


def test_waiting_evidence_that_is_taken_back_reaches_nobody(tmp_path: Path) -> None:
    """A correction overtakes the person."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1)
        there.exchange.withdraw(SHAANXI, [contact_of(1).evidence_id])
        exchange_all(there, here)
        assert here.colour(here.register()) == GREEN


def test_told_evidence_taken_back_by_its_origin_turns_green_again(tmp_path: Path) -> None:
    """Only what the origin names goes; what another source said stays."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        there.exchange.withdraw(SHAANXI, [contact_of(1).evidence_id])
        exchange_all(there, here)
        assert here.colour(subject) == GREEN
        with pytest.raises(RegionError, match="was not told"):
            there.exchange.withdraw(SHAANXI, [contact_of(9).evidence_id])
        require_honest(there, here)


def test_id_that_was_told_of_another_person_is_not_used_again(tmp_path: Path) -> None:
    """Whoever it was told of first can still be freed of it."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        other = here.register(Identity("李强", "+8613900139000"))
        tell(there, here, 1)
        tell(there, here, 1, person=Identity("李强", "+8613900139000"))
        assert here.colour(other) == GREEN
        there.exchange.withdraw(SHAANXI, [contact_of(1).evidence_id])
        exchange_all(there, here)
        assert here.colour(subject) == GREEN
        require_honest(there, here)


def test_id_that_was_told_of_an_erased_person_is_free_again(tmp_path: Path) -> None:
    """Who is erased and registers anew is another person, and told of as such."""
    with two_regions(tmp_path) as (there, here):
        first = here.register()
        tell(there, here, 1)
        here.enrolment.erase(first)
        again = here.register()
        tell(there, here, 1)
        assert again != first
        assert here.colour(again) == RED
        require_honest(there, here)


def test_registering_takes_nothing_that_another_region_told_of_others(tmp_path: Path) -> None:
    """Two regions may use one id; what one of them said of somebody else goes on waiting."""
    with two_regions(tmp_path) as (there, here):
        tell(there, here, 1)
        other = WaitingRow(bytes(32), contact_of(1).evidence_id, "330000", b"", 2 * NOW)

        def wait(tx: Tx) -> Done[None]:
            put(tx, [other])
            return Done(None)

        here.desk.writer.run(wait, now=NOW)
        assert here.colour(here.register()) == RED
        assert _count(here, "region_waiting") == 1


def test_the_same_notice_again_has_one_effect_and_the_same_receipt(tmp_path: Path) -> None:
    """Before it was taken and afterwards."""
    post = Post()
    with two_regions(tmp_path, post) as (there, here):
        here.register()
        tell(there, here, 1)
        (envelope,) = post.trips
        again = [here.exchange.receive(envelope) for _ in range(2)]
        with read_store(there.desk.engine) as store:
            ((receipt,),) = store.rows("SELECT receipt FROM region_outbox")
        assert again == [receipt, receipt]
        assert here.exchange.take() == 0
        assert _count(here, "evidence") == 2


def test_receipt_is_the_same_work_for_known_and_unknown_people(tmp_path: Path) -> None:
    """A receipt is given before anybody looks whom the notice is about."""
    with two_regions(tmp_path) as (there, here):
        there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(1)])
        there.exchange.tell(SHAANXI, Identity("李强", "+8613900139000"), [contact_of(2)])
        here.register()
        assert there.exchange.deliver() == 2
        assert _count(here, "evidence") == 1
        with read_store(there.desk.engine) as store:
            receipts = store.rows("SELECT receipt FROM region_outbox")
        assert len({len(receipt) for (receipt,) in receipts}) == 1


def test_log_grows_by_as_many_entries_whomever_a_notice_is_about(tmp_path: Path) -> None:
    """Its size is public: no region reads from it who is registered here, and who has codes."""
    with two_regions(tmp_path) as (there, here):
        people = [TRAVELLER, Identity("李强", "+8613900139000"), Identity("张伟", "+8613700137000")]
        subject, _ = (here.register(person) for person in people[:2])
        assert isinstance(here.desk.issue(CodeRequest(subject, "paper"))[0], Issued)
        grown: list[list[int]] = []
        for first, person in zip((1, 11, 21), people, strict=True):
            sizes = [here.desk.log.size()]
            for numbers in ((first, first + 1), (first + 1, first + 2)):
                tell(there, here, *numbers, person=person)
                sizes.append(here.desk.log.size())
            ids = [contact_of(first + i).evidence_id for i in range(3)]
            there.exchange.withdraw(SHAANXI, ids)
            exchange_all(there, here)
            sizes.append(here.desk.log.size())
            grown.append([after - before for before, after in pairwise(sizes)])
        assert grown == [grown[0]] * 3
        taken = events_of(here, subject, EventKind.EVIDENCE_RETRACTED, EventKind.CODES_TAKEN_BACK)
        assert len(taken) == 4


def test_early_numbers_wait_for_the_missing_one(tmp_path: Path) -> None:
    """Nothing overtakes: the second has no effect before the first."""
    post = Post()
    with two_regions(tmp_path, post) as (there, here):
        subject = here.register()
        for number in (1, 2):
            there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(number)])
        first, second = (row.envelope or b"" for row in queued(there, SHAANXI))
        here.exchange.receive(second)
        assert here.exchange.take() == 0
        assert here.colour(subject) == GREEN
        here.exchange.receive(first)
        assert here.exchange.take() == 2
        assert here.colour(subject) == RED


def test_numbers_too_far_ahead_are_asked_for_later(tmp_path: Path) -> None:
    """A sender cannot fill the receiver with notices that cannot have their effect."""
    post = Post()
    with two_regions(tmp_path, post) as (there, here):
        with there.desk.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO region_outbox VALUES"
                    " (x'00', '610000', :number, 0, NULL, 0, NULL, x'00', x'00')"
                ),
                {"number": MAX_EARLY},
            )
        there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(1)])
        with read_store(there.desk.engine) as store:
            ((envelope,),) = store.rows(
                "SELECT envelope FROM region_outbox WHERE envelope IS NOT NULL"
            )
        with pytest.raises(RegionNoticeError) as refused:
            here.exchange.receive(envelope)
        assert refused.value.reason is Reason.TOO_EARLY


def test_number_of_another_notice_is_refused(tmp_path: Path) -> None:
    """A sender restored from an old copy would say two things under one number."""
    with two_regions(tmp_path) as (there, here):
        there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(1)])
        (row,) = queued(there, SHAANXI)
        here.exchange.receive(row.envelope or b"")
        with there.desk.engine.begin() as connection:
            connection.execute(text("DELETE FROM region_outbox"))
        there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(2)])
        (other,) = queued(there, SHAANXI)
        with pytest.raises(RegionNoticeError) as refused:
            here.exchange.receive(other.envelope or b"")
        assert refused.value.reason is Reason.NUMBER_TAKEN


def test_sender_out_of_an_old_copy_goes_on_behind_the_last_number_taken(tmp_path: Path) -> None:
    """What waited under used numbers is given up, and what is told from then on arrives."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        for number in (1, 2):
            tell(there, here, number)
        with there.desk.engine.begin() as connection:
            connection.execute(text("DELETE FROM region_outbox"))  # the copy knew nothing of them
        there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(3)])
        (waiting,) = queued(there, SHAANXI)
        with pytest.raises(RegionNoticeError, match="the last one taken is 2"):
            here.exchange.receive(waiting.envelope or b"")
        assert there.exchange.resume(SHAANXI, 2) == 1
        tell(there, here, 4)
        assert queued(there, SHAANXI) == []
        assert here.desk.findings() == []
        assert _count(here, "evidence") == 4
        assert here.colour(subject) == RED
        with pytest.raises(RegionError, match="has number 3"):
            there.exchange.resume(SHAANXI, 1)


def test_changed_rows_of_one_region_stop_nothing_else(tmp_path: Path) -> None:
    """Upkeep goes on for everybody else, and the replay names the table."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        for table in ("region_inbox", "region_appeal"):
            with here.desk.engine.begin() as connection:
                connection.execute(text(f"UPDATE {table} SET mac = x'00'"))  # noqa: S608 # ours
        there.clock.now += APPEAL_S
        here.exchange.maintain()
        assert here.colour(subject) == RED
        with here.desk.engine.connect() as connection:
            ((digest,),) = connection.execute(text("SELECT digest FROM region_inbox"))
            ((appeal,),) = connection.execute(text("SELECT appeal_id FROM region_appeal"))
        assert {str(finding) for finding in here.desk.findings()} == {
            f"region: the row {digest.hex()} of region_inbox was changed",
            f"region: the row {appeal.hex()} of region_appeal was changed",
        }


def test_a_receiver_that_is_down_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    """For a day: few tries, nothing lost, and the first good one empties the queue."""
    post = Post(lose=lambda _: "request")
    with two_regions(tmp_path, post) as (there, here):
        subject = here.register()
        for number in range(3):
            there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(number)])
        for _ in range(DAY_S // 600):
            there.exchange.deliver()
            there.clock.now += 600
        assert 20 < len(post.trips) < 40
        post.lose = lambda _: ""
        there.clock.now += 3600
        assert there.exchange.deliver() == 3
        assert here.exchange.take() == 3
        assert here.colour(subject) == RED


def test_backoff_doubles_up_to_an_hour() -> None:
    """And never overflows."""
    assert [backoff_s(tries) for tries in (0, 1, 2, 8, 9, 10**6)] == [10, 20, 40, 2560, 3600, 3600]


def test_notice_for_a_region_without_an_issuer_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    """An operator hears of it at once."""
    with two_regions(tmp_path) as (there, _):
        for to in ("330000", HEILONGJIANG, "nonsense"):
            with pytest.raises(RegionError, match="no key to seal"):
                there.exchange.tell(to, TRAVELLER, [contact_of(1)])
        assert _count(there, "region_outbox") == 0


def test_upheld_evidence_stays_and_cannot_be_contested_again(tmp_path: Path) -> None:
    """One answer for one record."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        appeal = here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        assert here.exchange.appeal(subject, HEILONGJIANG, Ground.OUTDATED) == appeal
        exchange_all(there, here)
        (asked,) = asked_of(there)
        assert (asked.region, asked.ids()) == (SHAANXI, (contact_of(1).evidence_id,))
        there.exchange.answer(asked.appeal_id, is_upheld=True)
        exchange_all(there, here)
        assert [row.state for row in appeals_in(here, subject)] == [State.UPHELD]
        assert here.colour(subject) == RED
        with pytest.raises(InputError, match="nothing-to-appeal"):
            here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        assert asked_of(there) == []
        require_honest(there, here)


def test_corrected_evidence_is_gone_and_every_step_is_in_the_persons_log(tmp_path: Path) -> None:
    """Filed, sent, answered, taken back, decided anew."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_SO)
        exchange_all(there, here)
        there.exchange.answer(asked_of(there)[0].appeal_id, is_upheld=False)
        exchange_all(there, here)
        assert here.colour(subject) == GREEN
        steps = [EventKind.APPEAL_FILED, EventKind.APPEAL_ANSWERED, EventKind.EVIDENCE_RETRACTED]
        assert events_of(here, subject, *steps) == steps
        require_honest(there, here)


def test_silence_until_the_deadline_is_pending_never_green_and_the_person_can_go_on(
    tmp_path: Path,
) -> None:
    """The record no longer counts, the survey is open, and answering it gives a colour."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        there.clock.now += APPEAL_S - 1
        here.exchange.maintain()
        assert here.colour(subject) == RED
        there.clock.now += 1
        here.exchange.maintain()
        here.exchange.maintain()
        assert here.colour(subject) is PENDING
        assert here.reasons(subject) == "pending-survey"
        assert [row.state for row in appeals_in(here, subject)] == [State.LAPSED]
        there.clock.now += 60
        said = [Declared(Kind.SURVEY, "clear", there.clock())]
        here.desk.writer.run(
            lambda tx: declare(tx, subject, said),
            now=there.clock(),
        )
        assert here.colour(subject) == GREEN
        require_honest(here)


@pytest.mark.parametrize("is_upheld", [True, False])
def test_late_answer_counts_from_when_it_comes(tmp_path: Path, is_upheld: bool) -> None:  # noqa: FBT001 # a case
    """Upheld late, the records come again and count again; corrected late, they stay away."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        here.exchange.deliver()
        there.exchange.take()
        there.clock.now += APPEAL_S
        here.exchange.maintain()
        there.exchange.answer(asked_of(there)[0].appeal_id, is_upheld=is_upheld)
        exchange_all(there, here)
        (row,) = appeals_in(here, subject)
        assert row.state == (State.UPHELD if is_upheld else State.CORRECTED)
        assert here.colour(subject) == (RED if is_upheld else PENDING)
        require_honest(there, here)


def test_late_answer_about_what_was_told_again_meanwhile_stops_nothing(tmp_path: Path) -> None:
    """The record that is there stays, the appeal ends, and the next notice has its turn."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        here.exchange.deliver()
        there.exchange.take()
        there.clock.now += APPEAL_S
        here.exchange.maintain()
        tell(there, here, 1)
        there.clock.now += 60
        there.exchange.answer(asked_of(there)[0].appeal_id, is_upheld=True)
        there.exchange.withdraw(SHAANXI, [contact_of(1).evidence_id])
        exchange_all(there, here)
        assert [row.state for row in appeals_in(here, subject)] == [State.UPHELD]
        assert here.colour(subject) is PENDING
        require_honest(there, here)


def test_appeal_to_a_region_without_an_issuer_lapses_like_any_other(tmp_path: Path) -> None:
    """Whoever cannot be asked is silent."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        here.desk.writer.authority = _without(here, HEILONGJIANG)
        here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        there.clock.now += APPEAL_S
        here.exchange.maintain()
        assert here.colour(subject) is PENDING


def test_appeal_about_what_decides_nothing_is_refused(tmp_path: Path) -> None:
    """One's own evidence, a region that said nothing, a contact that is long over."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        for region in (SHAANXI, "330000"):
            with pytest.raises(InputError, match="nothing-to-appeal"):
                here.exchange.appeal(subject, region, Ground.NOT_ME)
        there.clock.now += 20 * DAY_S
        with pytest.raises(InputError, match="nothing-to-appeal"):
            here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)


def test_one_damaged_appeal_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """Deadlines are kept for everybody whose rows are whole."""
    with two_regions(tmp_path) as (there, here):
        people = [Identity("王秀兰", f"+861380013800{digit}") for digit in range(3)]
        subjects = [here.register(person) for person in people]
        for number, person in enumerate(people):
            tell(there, here, number, person=person)
        for subject in subjects:
            here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
        with here.desk.engine.begin() as connection:
            connection.execute(
                text("UPDATE evidence SET value = 'rumour' WHERE subject = :one AND place = ''"),
                {"one": subjects[1]},
            )
        there.clock.now += APPEAL_S
        assert here.exchange.lapse() == 2
        assert [here.colour(subject) for subject in subjects] == [PENDING, RED, PENDING]


def test_another_region_cannot_take_back_or_answer_what_is_not_its_own(tmp_path: Path) -> None:
    """What Heilongjiang said stays whatever Shaanxi sends about it."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        tell(there, here, 1)
        # Shaanxi tells Heilongjiang of a record with the same id, then takes that one back.
        there.register()
        source = here.desk.writer.authority.source
        record = contact_of(1)
        ours = type(record)(
            record.evidence_id, record.kind, record.at, None, "", "confirmed", source, SHAANXI, NOW
        )
        here.exchange.tell(HEILONGJIANG, TRAVELLER, [ours])
        here.exchange.withdraw(HEILONGJIANG, [ours.evidence_id])
        exchange_all(there, here)
        assert here.colour(subject) == RED
        require_honest(there, here)


def test_everything_that_a_region_said_in_a_time_is_taken_back_in_one_step(tmp_path: Path) -> None:
    """A region that sent wrong evidence, and what it said before stays."""
    with two_regions(tmp_path) as (there, here):
        subject = here.register()
        other = here.register(Identity("李强", "+8613900139000"))
        tell(there, here, 1)
        there.clock.now += 3600
        tell(there, here, 2, person=Identity("李强", "+8613900139000"))
        tell(there, here, 3, person=Identity("赵敏", "+8613700137000"))
        assert here.exchange.retract_from(HEILONGJIANG, NOW + 1, NOW + DAY_S) == 1
        assert (here.colour(subject), here.colour(other)) == (RED, GREEN)
        assert _count(here, "region_waiting") == 0
        require_honest(here)


def _count(side: Side, table: str) -> int:
    with side.desk.engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 # ours
        return int(found.scalar_one())


def _without(side: Side, region: str) -> Authority:
    authority = side.desk.writer.authority
    issuers = tuple(one for one in authority.trust.issuers if one.region != region)
    return replace(authority, trust=replace(authority.trust, issuers=issuers))
