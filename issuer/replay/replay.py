"""The auditor's replay: computes every colour again, and holds every row against the log. Shell.

Goes through the people in order, a page at a time, and through everything that any table or the
log says about them, so it tells what somebody could have done who writes to the database: changed
evidence, set a colour, brought back an old decision, added, removed or revived codes.
`audit.verify` finds out whether the log is intact; this, whether the issuer's database agrees with
it. Run it while nobody writes, or on copies. What covers which column: docs/spec/issuing.md.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from audit.errors import DatabaseDamagedError
from audit.events import Event, Kind
from audit.logreader import LogReader
from issuer.errors import IntegrityError, StoreError
from issuer.replay.findings import Finding, Topic
from issuer.replay.replaylists import Positions
from issuer.replay.replayperson import PersonCheck, Said
from issuer.replay.replaywork import (
    code_key_findings,
    people_findings,
    policy_findings,
    region_findings,
    work_findings,
)
from issuer.storage.core import Authority, Secrets
from issuer.storage.handover import staged
from issuer.storage.store import Store, read_store

__all__ = ["Replay"]

#: People of one page.
PAGE: Final = 1_000
_PEOPLE: Final = "SELECT subject FROM subject WHERE subject > ? ORDER BY subject LIMIT ?"
#: Every table with a subject, that column first, and where a page's rows go.
_TABLES: Final = {
    "people": "SELECT subject, wrapped_key, created_at FROM subject",
    "evidence": (
        "SELECT subject, evidence_id, kind, at, until, place, value, source, origin_region,"
        " recorded_at FROM evidence"
    ),
    "decisions": (
        "SELECT subject, colour, rule_set, rule_version, risk_version, evidence_commitment,"
        " reasons, decided_at, changes_at, cause, event_id FROM decision"
    ),
    "batches": (
        "SELECT subject, event_id, request_id, request_hash, colour, issued_at, exp, sealed,"
        " taken_back"
        " FROM code_batch"
    ),
    "identities": "SELECT subject FROM identity",
    "entries": "SELECT subject FROM identity_index",
}
_KINDS: Final = (
    Kind.PERSON_REGISTERED,
    Kind.PERSON_ERASED,
    Kind.EVIDENCE_RECORDED,
    Kind.EVIDENCE_RETRACTED,
    Kind.DECIDED,
    Kind.CODES_ISSUED,
    Kind.CODES_TAKEN_BACK,
)


class Replay:
    """Holds a whole database against rules and log.

    Args:
        engine: The issuer's database.
        log: Its log; verify that first.
        secrets: To open batches and to check MACs.
        authority: What is in force now.
        now: UNIX seconds.

    Attributes:
        people: How many people `findings` has gone through.
        codes: How many codes.
    """

    def __init__(
        self, engine: Engine, log: LogReader, secrets: Secrets, authority: Authority, *, now: int
    ) -> None:
        self._engine = engine
        self._log = log
        self._secrets = secrets
        self._authority = authority
        self._now = now
        self.people = 0
        self.codes = 0

    def findings(self) -> Iterator[Finding]:
        """All that does not fit, as it is found; nothing: the database is as the log says."""
        try:
            with read_store(self._engine) as store:
                why = store.file_damage()
                if why is not None:
                    yield Finding(Topic.UNREADABLE, None, why)
                    return
                yield from self._all(store)
        except (DatabaseDamagedError, DBAPIError, StoreError) as error:
            yield Finding(Topic.UNREADABLE, None, type(error).__name__)

    def _all(self, store: Store) -> Iterator[Finding]:
        yield from _readable(work_findings(store, self._secrets), None)
        yield from _readable(people_findings(store, self._secrets), None)
        yield from _readable(region_findings(store, self._secrets), None)
        yield from _readable(policy_findings(store, self._log, self._authority.trust), None)
        owed = self._owed(store)
        positions = Positions(store, self._secrets)
        restored = [event.at for event in self._log.events_of_kinds([Kind.RESTORED])]
        check = PersonCheck(
            store, self._secrets, self._authority, positions, restored=restored, now=self._now
        )
        after = b""
        while True:
            last = self._page_end(store, after)
            for subject, said in self._page(store, owed, after, last).items():
                self.people += 1
                yield from _readable(check.findings(subject, said), subject)
            if last is None:
                break
            after = last
        self.codes = check.codes
        yield from _readable(positions.findings(), None)
        yield from _readable(code_key_findings(store, self._secrets, check.signed), None)

    def _owed(self, store: Store) -> dict[bytes, list[Event]]:
        """Events that the log may not hold yet, by subject. Damaged ones are found elsewhere."""
        owed: dict[bytes, list[Event]] = defaultdict(list)
        with suppress(IntegrityError):
            for row in staged(store, self._secrets):
                known = self._log.knows(event.event_id for event in row.events)
                for event in row.events:
                    if event.subject is not None and event.event_id not in known:
                        owed[event.subject].append(event)
        return owed

    def _page_end(self, store: Store, after: bytes) -> bytes | None:
        """The last subject of the next page; None: it holds all the rest."""
        ours = [subject for (subject,) in store.rows(_PEOPLE, (after, PAGE))]
        logged = self._log.subjects(after=after, limit=PAGE)
        ends = [subjects[-1] for subjects in (ours, logged) if len(subjects) == PAGE]
        return min(ends, default=None)

    def _page(
        self, store: Store, owed: dict[bytes, list[Event]], after: bytes, last: bytes | None
    ) -> dict[bytes, Said]:
        """All that tables and log say about the subjects behind *after* up to *last*."""
        page: dict[bytes, Said] = defaultdict(Said)
        where = " WHERE subject > ?" + ("" if last is None else " AND subject <= ?")
        values = (after,) if last is None else (after, last)
        for name, select in _TABLES.items():
            for row in store.rows(select + where, values):
                getattr(page[row[0]], name).append(row)
        for event in self._log.events_about(_KINDS, after=after, last=last):
            if event.subject is not None:
                page[event.subject].events.append(event)
        for subject, events in owed.items():
            if after < subject and (last is None or subject <= last):
                page[subject].events += events
        return page


def _readable(findings: Iterator[Finding], subject: bytes | None) -> Iterator[Finding]:
    """The same, and a finding where a row holds a type that the issuer never writes.

    SQLite's columns take values of any type, and our code is right not to expect that.
    """
    try:
        yield from findings
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        yield Finding(
            Topic.UNREADABLE, subject, f"a value of another type ({type(error).__name__})"
        )
