"""The replay of what is about nobody: rule sets, risk tables, and work under way. Shell."""

from collections.abc import Iterator
from typing import Final

from audit.events import Event, Kind
from audit.logreader import LogReader
from issuer.adoption import risks_event, rules_event
from issuer.core import Secrets
from issuer.errors import IntegrityError, IssuerError
from issuer.evidence_store import notice_mac
from issuer.findings import Finding, Topic
from issuer.handover import staged
from issuer.policy import read_risk_table, read_rules
from issuer.reassess import check_jobs
from issuer.store import Store
from keys.trustlist import TrustList

__all__ = ["policy_findings", "work_findings"]

_RULES: Final = "SELECT rule_set, version, signed, adopted_at, event_id FROM rule_set"
_RISKS: Final = "SELECT version, signed, adopted_at, event_id FROM risk_table"
_NOTICES: Final = "SELECT source, number, mac FROM notice"


def work_findings(store: Store, secrets: Secrets) -> Iterator[Finding]:
    """Rows of outbox, job and notice that the issuer did not write so."""
    for check in (staged, check_jobs):
        try:
            check(store, secrets)
        except IssuerError as error:
            yield Finding(Topic.WORK, None, str(error))
    for source, number, tag in store.rows(_NOTICES):
        if notice_mac(secrets, source, number) != tag:
            yield Finding(Topic.WORK, None, "the row of a notice was changed")


def policy_findings(store: Store, log: LogReader, trust: TrustList) -> Iterator[Finding]:
    """Rule sets and risk tables that are not as they were signed, logged and adopted."""
    logged = {event.event_id: event for event in log.events_of_kinds(_KINDS)}
    for row in store.rows(_RULES):
        yield from _one(rules_event(row), logged)
        try:
            read_rules(store, trust, row[0], row[1])
        except IntegrityError as error:
            yield Finding(Topic.POLICY, None, str(error))
    for row in store.rows(_RISKS):
        yield from _one(risks_event(row), logged)
        try:
            read_risk_table(store, trust, row[0])
        except IntegrityError as error:
            yield Finding(Topic.POLICY, None, str(error))
    if logged:
        yield Finding(Topic.POLICY, None, f"{len(logged)} adopted versions are gone")


def _one(event: Event, logged: dict[bytes, Event]) -> Iterator[Finding]:
    if logged.pop(event.event_id, None) != event:
        yield Finding(Topic.POLICY, None, "a version that the log does not know so")


_KINDS: Final = (Kind.RULES_CHANGED, Kind.RISK_CHANGED)
