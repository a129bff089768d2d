"""Rule sets and risk tables coming into force: kept as signed, logged, followed up. Shell.

Every version that ever decided anything stays, so that any decision can be computed again. A
change starts a job (`issuer.colour.reassess`) in its own transaction, so no crash forgets it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from audit.events import Event, Kind
from issuer.colour.decisions import Cause
from issuer.colour.policy import (
    RISK_TABLE_NAME,
    read_risk_table,
    read_rules,
    require_pinned,
    risk_table_version,
    rules_key,
    rules_version,
)
from issuer.colour.reassess import concerned_places, start_job
from issuer.colour.risk import (
    RISK_TABLE_TYP,
    Affected,
    RiskTable,
    accept_risk_table,
    verify_risk_table,
)
from issuer.errors import AdoptionError
from issuer.rules.rules import RULES_TYP, accept_rules, verify_rules
from issuer.rules.ruletypes import RuleSet
from issuer.storage.store import Row
from issuer.storage.tx import Done, Tx

__all__ = ["adopt_policy", "adopt_risk_table", "adopt_rules", "risks_event", "rules_event"]

_ADD_RULES: Final = (
    "INSERT INTO rule_set (rule_set, version, signed, adopted_at, event_id) VALUES (?, ?, ?, ?, ?)"
)
_ADD_RISKS: Final = (
    "INSERT INTO risk_table (version, signed, adopted_at, event_id) VALUES (?, ?, ?, ?)"
)


def adopt_rules(tx: Tx, signed: bytes) -> Done[RuleSet]:
    """Put a rule set in force, now. Everybody is to be decided anew: `run_jobs`.

    Adopting what is in force already has no effect.

    Raises:
        AdoptionError: Not signed by a RULES key, or not valid at this instant.
        PinnedPolicyError: Not what the trust list demands.
        RulesError: The rule set itself is refused, or may not follow the one in force.
    """
    trust = tx.authority.trust
    rules = verify_rules(signed, rules_key(trust, signed, typ=RULES_TYP), now=tx.now)
    require_pinned(trust, signed, name=rules.id, version=rules.version)
    version = rules_version(tx.store)
    held = None if version is None else read_rules(tx.store, trust, *version)
    accept_rules(held, rules)
    if version == (rules.id, rules.version):
        return Done(rules)
    if not rules.valid_from <= tx.now < rules.valid_until:
        raise AdoptionError("the rule set is not valid at this instant")
    row = (rules.id, rules.version, signed, tx.now, tx.event_id())
    event = rules_event(row)
    tx.store.run(_ADD_RULES, row)
    if held is not None:
        start_job(tx, event.event_id, Cause.RULES, None)
    return Done(rules, [event], authority=replace(tx.authority, rules=rules))


def adopt_risk_table(tx: Tx, signed: bytes) -> Done[RiskTable]:
    """Put a risk table in force. Whoever a change concerns is to be decided anew: `run_jobs`.

    Adopting what is in force already has no effect.

    Raises:
        AdoptionError: Not signed by a RULES key.
        PinnedPolicyError: Not what the trust list demands.
        RiskTableError: Not a table that may follow the one in force.
    """
    trust = tx.authority.trust
    table = verify_risk_table(signed, rules_key(trust, signed, typ=RISK_TABLE_TYP))
    require_pinned(trust, signed, name=RISK_TABLE_NAME, version=table.version)
    version = risk_table_version(tx.store)
    held = None if version is None else read_risk_table(tx.store, trust, version)
    if accept_risk_table(held, table) == held:
        return Done(table)
    row = (table.version, signed, tx.now, tx.event_id())
    event = risks_event(row)
    tx.store.run(_ADD_RISKS, row)
    if held is not None:
        start_job(
            tx, event.event_id, Cause.RISK, concerned_places(tx.store, _affected(held, table))
        )
    return Done(table, [event], authority=replace(tx.authority, risks=table))


def adopt_policy(tx: Tx, rules: bytes, risks: bytes | None) -> Done[None]:
    """Both in one transaction, or neither. With *risks* None the risk table stays as it is.

    Raises:
        AdoptionError, RulesError, RiskTableError: As the two above.
    """
    adopted = adopt_rules(tx, rules)
    if risks is None:
        return Done(None, adopted.events, authority=adopted.authority)
    under = replace(tx, authority=adopted.authority or tx.authority)
    table = adopt_risk_table(under, risks)
    events = [*adopted.events, *table.events]
    return Done(None, events, authority=table.authority or adopted.authority)


def rules_event(row: Row) -> Event:
    """The log's record of a row of `rule_set`."""
    rule_set, version, signed, adopted_at, event_id = row
    digest = hashlib.sha256(signed).digest()
    details = {"rules": rule_set, "digest": digest, "version": version}
    return Event(event_id, Kind.RULES_CHANGED, adopted_at, None, details)


def risks_event(row: Row) -> Event:
    """The log's record of a row of `risk_table`."""
    version, signed, adopted_at, event_id = row
    details = {"digest": hashlib.sha256(signed).digest(), "version": version}
    return Event(event_id, Kind.RISK_CHANGED, adopted_at, None, details)


def _affected(held: RiskTable, table: RiskTable) -> Iterator[Affected]:
    known = set(held.changes)
    return (table.affected_by(change) for change in table.changes if change not in known)
