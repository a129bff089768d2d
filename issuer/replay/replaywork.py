"""The replay of rule sets, risk tables, work under way, and rows of people. Shell."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from sqlalchemy import Table

from audit.events import Event, Kind
from audit.logreader import LogReader
from issuer.between.rows import TABLES as REGION_TABLES
from issuer.codes.shards import read_code_keys
from issuer.colour.adoption import risks_event, rules_event
from issuer.colour.evidence_store import notice_mac
from issuer.colour.policy import read_risk_table, read_rules
from issuer.colour.reassess import check_jobs
from issuer.errors import IntegrityError, IssuerError
from issuer.models import binding, identity, identity_index, one_time_code
from issuer.recovery.reconcile import read_position
from issuer.replay.findings import Finding, Topic
from issuer.storage.core import Secrets
from issuer.storage.handover import staged
from issuer.storage.sealing import mac
from issuer.storage.store import Store
from keys.trustlist import TrustList

__all__ = [
    "code_key_findings", "people_findings", "policy_findings", "region_findings", "work_findings",
]  # fmt: skip

_RULES: Final = "SELECT rule_set, version, signed, adopted_at, event_id FROM rule_set"
_RISKS: Final = "SELECT version, signed, adopted_at, event_id FROM risk_table"
_PAGE: Final = 1_000
_CHECKS: Final[tuple[Callable[[Store, Secrets], object], ...]] = (
    staged, check_jobs, read_position,
)  # fmt: skip
_NOTICES: Final = "SELECT source, number, mac FROM notice"


def work_findings(store: Store, secrets: Secrets) -> Iterator[Finding]:
    """Rows of outbox, job, notice and log position that the issuer did not write so."""
    for check in _CHECKS:
        try:
            check(store, secrets)
        except IssuerError as error:
            yield Finding(Topic.WORK, None, str(error))
    for source, number, tag in store.rows(_NOTICES):
        if notice_mac(secrets, source, number) != tag:
            yield Finding(Topic.WORK, None, f"the row of the last notice of {source} was changed")


def code_key_findings(
    store: Store, secrets: Secrets, signed: Mapping[bytes, int]
) -> Iterator[Finding]:
    """Code keys whose count is not the number of codes found under them.

    Args:
        store: The database.
        secrets: For the rows' MACs.
        signed: How many codes were found, for each kid; of erased people, as the log has it.
    """
    try:
        counted = {row.kid: row.codes for row in read_code_keys(store, secrets)}
    except IntegrityError as error:
        yield Finding(Topic.SIGNATURES, None, str(error))
        return
    for kid in sorted(counted.keys() | signed.keys()):
        count, found = counted.get(kid, 0), signed.get(kid, 0)
        if count != found:
            why = f"key {kid.hex()}: {found} codes, {count} counted"
            yield Finding(Topic.SIGNATURES, None, why)


def people_findings(store: Store, secrets: Secrets) -> Iterator[Finding]:
    """Rows of identities, index, one-time codes and bindings that the issuer did not write so.

    Nothing is decrypted.
    """
    for table in (identity, identity_index, one_time_code, binding):
        yield from _tagged(store, secrets, table, Topic.PERSON)


def region_findings(store: Store, secrets: Secrets) -> Iterator[Finding]:
    """Rows of what passes between regions that the issuer did not write so. Opens nothing."""
    for table in REGION_TABLES:
        yield from _tagged(store, secrets, table, Topic.REGION)


def _tagged(store: Store, secrets: Secrets, table: Table, topic: Topic) -> Iterator[Finding]:
    """A table whose rows end in a tag over all other columns, by its key, a page at a time."""
    names = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key]
    where = slice(len(keys))  # every table's primary key stands first
    key, marks = ", ".join(keys), ", ".join("?" * len(keys))
    select = f"SELECT {', '.join(names)} FROM {table.name}"  # noqa: S608 # our own models
    page = f" ORDER BY {key} LIMIT {_PAGE}"
    rows = store.rows(select + page)
    while rows:
        for *columns, tag in rows:
            if mac(secrets.rows, table.name, columns) != tag:
                row = " ".join(_shown(value) for value in columns[where])
                yield Finding(topic, None, f"the row {row} of {table.name} was changed")
        rows = store.rows(f"{select} WHERE ({key}) > ({marks}){page}", rows[-1][where])


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def policy_findings(store: Store, log: LogReader, trust: TrustList) -> Iterator[Finding]:
    """Rule sets and risk tables that are not as they were signed, logged and adopted."""
    logged = {event.event_id: event for event in log.events_of_kinds(_KINDS)}
    for row in store.rows(_RULES):
        yield from _one(rules_event(row), logged, f"rule set {row[0]} version {row[1]}")
        try:
            read_rules(store, trust, row[0], row[1])
        except IntegrityError as error:
            yield Finding(Topic.POLICY, None, str(error))
    for row in store.rows(_RISKS):
        yield from _one(risks_event(row), logged, f"risk table version {row[0]}")
        try:
            read_risk_table(store, trust, row[0])
        except IntegrityError as error:
            yield Finding(Topic.POLICY, None, str(error))
    for event in logged.values():
        rules = event.details.get("rules")
        what = "risk table" if rules is None else f"rule set {_shown(rules)}"
        version = _shown(event.details["version"])
        yield Finding(Topic.POLICY, None, f"{what} version {version} was adopted, and is gone")


def _one(event: Event, logged: dict[bytes, Event], name: str) -> Iterator[Finding]:
    if logged.pop(event.event_id, None) != event:
        yield Finding(Topic.POLICY, None, f"{name}: the log does not know it so")


_KINDS: Final = (Kind.RULES_CHANGED, Kind.RISK_CHANGED)
