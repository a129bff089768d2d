"""Rule sets and risk tables as the database keeps them: signed, every version. Shell.

Whoever writes to the database alone cannot bring another rule into force: each row is verified
against the trust list whenever it is read.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Final, TypeAlias, TypeVar

from issuer.colour.risk import RISK_TABLE_TYP, RiskTable, verify_risk_table
from issuer.errors import AdoptionError, IntegrityError, IssuerError, PinnedPolicyError
from issuer.rules.rules import RULES_TYP, verify_rules
from issuer.rules.ruletypes import RuleSet
from issuer.storage.core import Authority
from issuer.storage.store import Store
from keys.cose import parse_sign1
from keys.ed25519 import PublicKey
from keys.errors import Sign1Error
from keys.lifecycle import Purpose
from keys.trustlist import TrustList

__all__ = [
    "RISK_TABLE_NAME", "Policy", "read_risk_table", "read_rules", "refreshed", "require_pinned",
    "risk_table_version", "rules_key", "rules_version", "verify_policy",
]  # fmt: skip

T = TypeVar("T")

#: Rules and risks that decide.
Policy: TypeAlias = tuple[RuleSet, RiskTable]

#: Under which a trust list pins the risk table; a rule set is pinned under its id.
RISK_TABLE_NAME: Final = "risk-table"
_MAX_BYTES: Final = 1 << 20
_LAST_RULES: Final = (
    "SELECT rule_set, version FROM rule_set ORDER BY adopted_at DESC, version DESC LIMIT 1"
)
_LAST_RISKS: Final = "SELECT max(version) FROM risk_table"
_RULES: Final = "SELECT signed, adopted_at FROM rule_set WHERE rule_set = ? AND version = ?"
_RISKS: Final = "SELECT signed FROM risk_table WHERE version = ?"


def rules_key(trust: TrustList, signed: bytes, *, typ: str) -> PublicKey:
    """The listed RULES key that *signed* names. Verifies nothing yet.

    Raises:
        AdoptionError: It names none.
    """
    try:
        found = trust.find(parse_sign1(signed, typ=typ, max_bytes=_MAX_BYTES).kid)
    except Sign1Error as error:
        raise AdoptionError(f"not a signed {typ}") from error
    if found is None or found[1].purpose is not Purpose.RULES:
        raise AdoptionError("signed by a key that is not on the trust list for rules")
    return found[1].public_key


def verify_policy(documents: tuple[bytes, bytes], trust: TrustList, *, now: int) -> Policy:
    """A signed rule set and a signed risk table, whichever listed RULES keys signed them.

    Raises:
        AdoptionError: One of them is not signed by such a key.
        RulesError, RiskTableError: Refused for what it says.
    """
    rules, risks = documents
    return (
        verify_rules(rules, rules_key(trust, rules, typ=RULES_TYP), now=now),
        verify_risk_table(risks, rules_key(trust, risks, typ=RISK_TABLE_TYP)),
    )


def require_pinned(trust: TrustList, signed: bytes, *, name: str, version: int) -> None:
    """Raise unless the trust list lets an issuer adopt this document.

    Raises:
        PinnedPolicyError: The list pins a later version, or another document of this one.
    """
    pin = trust.pinned(name)
    if pin is None or version > pin.version:
        return
    if version < pin.version:
        raise PinnedPolicyError(
            f"{name} version {version}: the trust list demands version {pin.version} or later"
        )
    if sha256(signed).digest() != pin.digest:
        raise PinnedPolicyError(f"{name} version {version}: the trust list pins another document")


def rules_version(store: Store) -> tuple[str, int] | None:
    """Id and version of the rule set that was adopted last."""
    rows = store.rows(_LAST_RULES)
    return (rows[0][0], rows[0][1]) if rows else None


def risk_table_version(store: Store) -> int | None:
    """The version of the risk table that was adopted last."""
    ((version,),) = store.rows(_LAST_RISKS)
    newest: int | None = version
    return newest


def read_rules(store: Store, trust: TrustList, rule_set: str, version: int) -> RuleSet:
    """One version of a rule set, verified as of its adoption.

    Raises:
        IntegrityError: It is not there, or not as its key signed it.
    """
    ((signed, adopted_at),) = store.rows(_RULES, (rule_set, version)) or [(b"", 0)]
    rules = _checked(
        lambda: verify_rules(signed, rules_key(trust, signed, typ=RULES_TYP), now=adopted_at),
        f"rule set {rule_set} version {version}",
    )
    if (rules.id, rules.version) != (rule_set, version):
        raise IntegrityError("a rule set under another one's name")
    return rules


def read_risk_table(store: Store, trust: TrustList, version: int) -> RiskTable:
    """One version of the risk table.

    Raises:
        IntegrityError: It is not there, or not as its key signed it.
    """
    ((signed,),) = store.rows(_RISKS, (version,)) or [(b"",)]
    risks = _checked(
        lambda: verify_risk_table(signed, rules_key(trust, signed, typ=RISK_TABLE_TYP)),
        f"risk table version {version}",
    )
    if risks.version != version:
        raise IntegrityError("a risk table under another one's number")
    return risks


def refreshed(store: Store, authority: Authority) -> Authority:
    """*authority*, with what another process may have adopted meanwhile.

    Raises:
        IntegrityError: What was adopted is not as its key signed it.
    """
    rules, risks = rules_version(store), risk_table_version(store)
    if rules is not None and rules != (authority.rules.id, authority.rules.version):
        authority = replace(authority, rules=read_rules(store, authority.trust, *rules))
    if risks is not None and risks != authority.risks.version:
        authority = replace(authority, risks=read_risk_table(store, authority.trust, risks))
    return authority


def _checked(read: Callable[[], T], name: str) -> T:
    try:
        return read()
    except IssuerError as error:
        raise IntegrityError(f"{name} is not as it was signed") from error
