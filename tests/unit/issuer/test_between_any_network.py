"""Whatever the line between two regions does, they end as if it had done nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.events import Kind as EventKind
from issuer.between.envelope import parse_envelope
from issuer.between.exchange import Exchange
from issuer.between.message import Ground
from issuer.between.sending import open_notices
from issuer.people.identity import Identity
from issuer.storage.store import read_store
from tests.regions_support import (
    HEILONGJIANG,
    SHAANXI,
    TRAVELLER,
    Post,
    Side,
    contact_of,
    opener,
    two_regions,
)

_TOLD = (
    EventKind.EVIDENCE_RECORDED, EventKind.EVIDENCE_RETRACTED, EventKind.REGION_NOTICE_SENT,
    EventKind.REGION_NOTICE_TAKEN, EventKind.APPEAL_FILED,
)  # fmt: skip
STRANGER = Identity("李强", "+8613900139000")
#: Fates of one trip, and what happens on its way.
FATES = st.sampled_from(["", "request", "answer"])
#: What the receiver sees beside: old envelopes again, later ones early, a restart of either side.
MISCHIEF = st.sampled_from(["again", "early", "restart-here", "restart-there", "take", "nothing"])


def restarted(side: Side) -> None:
    """A new process over the same database: nothing in memory outlives the old one."""
    old = side.exchange
    side.exchange = Exchange(
        old.writer, old.people, lambda: (opener(side.region),), old.clock, old.carry
    )
    old.writer.recover(now=side.clock())


def queue(side: Side, to: str) -> list[bytes]:
    with read_store(side.desk.engine) as store:
        rows = open_notices(store, side.desk.writer.secrets, to)
    return [row.envelope or b"" for row in rows]


def life(there: Side, here: Side) -> Iterator[None]:
    """Told, told of a stranger, taken back, told again, contested; a pause after each."""
    subject = here.register()
    there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(1), contact_of(2)])
    yield
    there.exchange.tell(SHAANXI, STRANGER, [contact_of(3)])
    there.exchange.withdraw(SHAANXI, [contact_of(1).evidence_id])
    yield
    there.exchange.tell(SHAANXI, TRAVELLER, [contact_of(4)])
    there.exchange.withdraw(SHAANXI, [contact_of(2).evidence_id])
    yield
    settle(there, here)
    here.exchange.appeal(subject, HEILONGJIANG, Ground.NOT_ME)
    yield


def settle(there: Side, here: Side) -> None:
    """The line is good again: everything arrives."""
    for _ in range(12):
        there.clock.now += 3600
        for one, other in ((there, here), (here, there)):
            one.exchange.deliver()
            other.exchange.take()
        if not queue(there, SHAANXI) and not queue(here, HEILONGJIANG):
            return
    raise AssertionError("a good line does not empty the queues")


def state(there: Side, here: Side) -> object:
    """All that lasts, without ids and times that are drawn anew each time."""
    with read_store(here.desk.engine) as store:
        evidence = store.rows(
            "SELECT evidence_id, kind, origin_region FROM evidence WHERE origin_region = ?"
            " ORDER BY evidence_id",
            (HEILONGJIANG,),
        )
        told = store.rows("SELECT evidence_id, region FROM region_evidence ORDER BY evidence_id")
        waiting = store.rows("SELECT evidence_id FROM region_waiting ORDER BY evidence_id")
        taken = store.rows("SELECT sender, number, envelope FROM region_inbox ORDER BY number")
        colours = store.rows("SELECT colour, reasons FROM decision")
    with read_store(there.desk.engine) as store:
        asked = store.rows("SELECT evidence_ids, state FROM region_appeal")
        sent = store.rows("SELECT number, envelope FROM region_outbox ORDER BY number")
    events = sorted(
        str(event.kind) for side in (here, there)
        for event in side.desk.log.events_of_kinds(_TOLD)
    )  # fmt: skip
    assert here.desk.findings(now=here.clock()) == []
    assert there.desk.findings(now=there.clock()) == []
    return evidence, told, waiting, taken, colours, asked, sent, events


def end_of(fates: list[str], mischief: list[list[str]]) -> object:
    """The state after a life over such a line, once it is good again."""
    trips = iter(fates)
    post = Post(lose=lambda _: next(trips, ""))
    with (
        tempfile.TemporaryDirectory() as folder,
        two_regions(Path(folder), post) as (there, here),
    ):
        for _, pranks in zip(life(there, here), mischief, strict=False):
            for prank in pranks:
                there.clock.now += 600
                play(prank, there, here, post)
        post.lose = lambda _: ""
        settle(there, here)
        return state(there, here)


def play(prank: str, there: Side, here: Side, post: Post) -> None:
    match prank:
        case "again" if post.trips:
            for envelope in list(post.trips):
                side = here if parse_envelope(envelope).receiver == SHAANXI else there
                side.exchange.receive(envelope)
        case "early":
            for envelope in reversed(queue(there, SHAANXI)):
                here.exchange.receive(envelope)
        case "restart-here":
            restarted(here)
        case "restart-there":
            restarted(there)
        case "take":
            here.exchange.take()
        case _:
            there.exchange.deliver()
            here.exchange.deliver()


_PERFECT: list[object] = []


@settings(max_examples=15, deadline=None)
@given(
    fates=st.lists(FATES, max_size=12),
    mischief=st.lists(st.lists(MISCHIEF, min_size=1, max_size=4), min_size=4, max_size=4),
)
def test_any_loss_order_repetition_and_restart_end_like_a_perfect_line(
    fates: list[str], mischief: list[list[str]]
) -> None:
    """Nothing is lost, and nothing has its effect twice."""
    if not _PERFECT:
        _PERFECT.append(end_of([], [["nothing", "take"]] * 4))
    assert end_of(fates, mischief) == _PERFECT[0]
