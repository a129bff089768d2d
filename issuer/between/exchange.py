"""All that an issuer does between regions, over one writer. Shell.

Blocks: call it in a thread. Each step is a transaction of its own, so a process may die between
any two of them and another one goes on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from issuer.between.appeals import answer_theirs, file_appeal, lapse, overdue
from issuer.between.envelope import open_notice
from issuer.between.inbox import hold, next_held
from issuer.between.message import Ground, Message, Told, Withdrawn
from issuer.between.post import post_all
from issuer.between.rows import AppealRow, Held, Sent, ToldRow, read
from issuer.between.sending import due, enqueue, note_failures, resume, take_receipt
from issuer.between.taking import take_held
from issuer.between.told import take_back
from issuer.between.waiting import drop_expired, drop_region
from issuer.colour.evidence import Evidence
from issuer.errors import IntegrityError, RegionError, RegionNoticeError, SealError
from issuer.people.identity import Identity
from issuer.people.people import People, find_first
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.sealedbox import BoxOpener
from keys.trustlist import TrustList

__all__ = ["Carry", "Exchange"]

#: Appeals, or records, of one transaction.
SET_SIZE: Final = 200
_LOG: Final = structlog.get_logger()

#: Sends notices by region and gives their receipts by id, unverified.
Carry = Callable[[Mapping[str, Sequence[Sent]], TrustList], dict[bytes, bytes | None]]


def _by_http(notices: Mapping[str, Sequence[Sent]], trust: TrustList) -> dict[bytes, bytes | None]:
    return asyncio.run(post_all(notices, trust))


@dataclass(frozen=True, slots=True)
class Exchange:
    """Blocks.

    Attributes:
        writer: Of the issuer's database.
        people: Over the same database, for index entries.
        openers: Gives those of our receiving keys; asked anew for each notice, so that a key that
            was renewed or compromised meanwhile counts at once.
        clock: The present second; read when the writing begins.
        carry: How notices travel; over HTTP by default.
    """

    writer: Writer
    people: People
    openers: Callable[[], Sequence[BoxOpener]]
    clock: Callable[[], int]
    carry: Carry = _by_http

    # What we send.

    def tell(self, to: str, person: Identity, records: Sequence[Evidence]) -> bytes:
        """Tell another region about a person; the id of the notice, which is durable then.

        Raises:
            RegionError: As `enqueue`.
            RegionNoticeError: The person or the records are none that the receiver would take.
        """
        digests = self.people.digests(person)

        def work(tx: Tx) -> Done[bytes]:
            subject = find_first(tx.store, digests, rows=tx.secrets.rows)
            told = Told(person, tuple(records))
            event = enqueue(tx, told, to=to, subject=subject)
            return Done(event.event_id, [event])

        return self.writer.run(work, now=self.clock())

    def withdraw(self, to: str, evidence_ids: Sequence[bytes]) -> bytes:
        """Take records back that we told another region of; the id of the notice.

        Raises:
            RegionError, RegionNoticeError: As `tell`, or we never told it of one of them.
        """

        def work(tx: Tx) -> Done[bytes]:
            where = "WHERE evidence_id = ? AND region = ? AND record IS NOT NULL"
            for evidence_id in evidence_ids:
                if not read(tx.store, tx.secrets, ToldRow, where, (evidence_id, to)):
                    raise RegionError(f"record {evidence_id.hex()} was not told to region {to}")
            withdrawn = Withdrawn(tuple(evidence_ids))
            event = enqueue(tx, withdrawn, to=to, subject=None)
            return Done(event.event_id, [event])

        return self.writer.run(work, now=self.clock())

    def appeal(self, subject: bytes, region: str, ground: Ground) -> AppealRow:
        """As `file_appeal`."""
        work = partial(file_appeal, subject=subject, region=region, ground=ground)
        return self.writer.run(work, now=self.clock())

    def answer(self, appeal_id: bytes, *, is_upheld: bool) -> AppealRow:
        """As `answer_theirs`."""
        work = partial(answer_theirs, appeal_id=appeal_id, is_upheld=is_upheld)
        return self.writer.run(work, now=self.clock())

    def resume(self, to: str, after: int) -> int:
        """As `issuer.between.sending.resume`."""
        return self.writer.run(lambda tx: Done(resume(tx, to=to, after=after)), now=self.clock())

    def deliver(self) -> int:
        """Try what is due once; how many receipts came. Does nothing where nothing is due."""
        with read_store(self.writer.engine) as store:
            notices = due(store, self.writer.secrets, now=self.clock())
        if not notices:
            return 0
        answers = self.carry(notices, self.writer.authority.trust)
        return self.writer.run(partial(_settle, answers=answers), now=self.clock())

    # What we get.

    def receive(self, data: bytes) -> bytes:
        """Hold a notice durably and give its receipt, whomever it is about.

        Raises:
            RegionNoticeError: It is refused; nothing of it is kept.
        """
        message = self._open(data)
        work = partial(hold, data=data, message=message)
        return self.writer.run(lambda tx: Done(work(tx)), now=self.clock())

    def take(self) -> int:
        """Let every notice whose turn has come have its effect; how many that were."""
        us = self.writer.authority.issuer.region
        regions = [i.region for i in self.writer.authority.trust.issuers if i.region != us]
        return sum(self._take_from(region) for region in regions)

    def take_receipt(self, receipt: bytes) -> Sent:
        """As `issuer.between.sending.take_receipt`."""
        return self.writer.run(lambda tx: Done(take_receipt(tx, receipt)), now=self.clock())

    def _take_from(self, sender: str) -> int:
        count = 0
        try:
            while (held := self._next(sender)) is not None:
                count += self._take_one(held)
        except (IntegrityError, SealError) as error:
            # A row that it concerns was changed: the auditor's replay names it.
            _LOG.error("region_notice_stuck", region=sender, exc_info=error)
        return count

    def _take_one(self, held: Held) -> bool:
        message: Message | None = None
        try:
            # As of when it came: it may have waited longer than its keys lived. But a key that
            # the trust list does not name any more is not believed.
            message = self._open(held.envelope or b"", now=held.received_at)
        except RegionNoticeError as error:
            _LOG.warning("region_notice_dropped", region=held.sender, reason=error.reason.value)
        digests = self._digests(message)
        work = partial(take_held, held=held, message=message, digests=digests)
        return self.writer.run(work, now=self.clock())

    def _next(self, sender: str) -> Held | None:
        with read_store(self.writer.engine) as store:
            return next_held(store, self.writer.secrets, sender)

    def _open(self, data: bytes, *, now: int | None = None) -> Message:
        authority = self.writer.authority
        return open_notice(
            data,
            region=authority.issuer.region,
            openers=self.openers(),
            trust=authority.trust,
            now=self.clock() if now is None else now,
        )

    def _digests(self, message: Message | None) -> tuple[bytes, ...]:
        """The slow step, before the transaction, so that nobody waits for it."""
        content = None if message is None else message.content
        return self.people.digests(content.person) if isinstance(content, Told) else ()

    # What comes due by itself.

    def lapse(self) -> int:
        """End the appeals that nobody answered in time, in sets; how many that were."""
        lapsed = 0
        damaged: set[bytes] = set()
        while True:
            now, limit = self.clock(), SET_SIZE + len(damaged)
            with read_store(self.writer.engine) as store:
                found = overdue(store, now=now, limit=limit)
            ids = [appeal_id for appeal_id in found if appeal_id not in damaged]
            if not ids:
                return lapsed
            try:
                lapsed += self._lapse(ids)
            except (IntegrityError, SealError):
                # One damaged row must not keep everybody else waiting.
                for one in ids:
                    try:
                        lapsed += self._lapse([one])
                    except (IntegrityError, SealError):
                        damaged.add(one)

    def _lapse(self, ids: Sequence[bytes]) -> int:
        work = partial(lapse, appeal_ids=ids)
        return self.writer.run(work, now=self.clock())

    def retract_from(self, region: str, since: int, until: int) -> int:
        """Take back, in sets, all that *region* told us in this time; how many records.

        For a region that sent wrong evidence, or is not to be believed any more.
        """
        self.writer.run(partial(_drop_region, region=region), now=self.clock())
        count = 0
        where = (
            "WHERE region = ? AND told_at >= ? AND told_at <= ? AND subject IS NOT NULL"
            " ORDER BY told_at LIMIT ?"
        )
        while True:
            with read_store(self.writer.engine) as store:
                values = (region, since, until, SET_SIZE)
                rows = read(store, self.writer.secrets, ToldRow, where, values)
            if not rows:
                return count
            ids = [row.evidence_id for row in rows]
            work = partial(take_back, region=region, evidence_ids=ids)
            count += self.writer.run(work, now=self.clock())

    def maintain(self) -> None:
        """What is due, but for deliveries, which wait for others."""
        self.take()
        self.lapse()
        self.writer.run(_drop_expired, now=self.clock())


def _settle(tx: Tx, answers: Mapping[bytes, bytes | None]) -> Done[int]:
    """Note every receipt, and every notice that got none."""
    failed = []
    for message_id, receipt in answers.items():
        try:
            if receipt is None or take_receipt(tx, receipt).message_id != message_id:
                failed.append(message_id)
        except RegionNoticeError as error:
            _LOG.warning("region_receipt_refused", reason=error.reason.value)
            failed.append(message_id)
    note_failures(tx, failed)
    return Done(len(answers) - len(failed))


def _drop_expired(tx: Tx) -> Done[None]:
    drop_expired(tx)
    return Done(None)


def _drop_region(tx: Tx, region: str) -> Done[None]:
    drop_region(tx, region)
    return Done(None)
