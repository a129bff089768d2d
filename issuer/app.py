"""The composition root: settings to engines, log, keystore, services and web application. Shell.

Everything is opened here, once, and closed in the opposite order. `init` makes what `office` opens.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from audit.database import create_tables, open_engine
from audit.gate import Gate
from audit.log import Log
from audit.models import metadata as audit_metadata
from audit.publish import write_public
from issuer.adoption import adopt_risk_table, adopt_rules
from issuer.between.exchange import Exchange
from issuer.binding import Sessions
from issuer.core import Authority, Secrets
from issuer.desk import Desk
from issuer.enrolment import Enrolment
from issuer.erasures import Erasures
from issuer.errors import NotReadyError
from issuer.issuing import Issuing
from issuer.models import metadata
from issuer.outbox import CodeDelivery, LimitedDelivery, LocalOutbox
from issuer.people import IndexCost, People, PeopleKeys
from issuer.policy import read_risk_table, read_rules, risk_table_version, rules_version
from issuer.publish import Publisher
from issuer.publishedlists import PublishedLists
from issuer.reassess import run_jobs, run_windows
from issuer.recovery import require_reconciled
from issuer.risk import RiskTable, sign_risk_table
from issuer.rules import sign_rules
from issuer.ruletypes import RuleSet
from issuer.settings import Settings, read_passphrase
from issuer.store import read_store
from issuer.web.factory import Services
from issuer.writer import Writer
from keys.keyring import Keyring, KeysInside, TokenKeyring, open_token
from keys.lifecycle import Environment, KeyState, Purpose
from keys.recorded import KeySigner
from keys.store import Keystore
from keys.trustlist import ListedIssuer, TrustList, decode_roots
from keys.trustplace import ROOTS_FILE, TRUST_LIST_FILE, newer_trust_list
from keys.trustupdate import accept_trust_list

__all__ = ["Office", "init", "office", "sign_policy"]

#: Rules and risks that decide.
Policy: TypeAlias = tuple[RuleSet, RiskTable]
Clock: TypeAlias = Callable[[], int]

KEK: Final = "people-kek"
PEPPER: Final = "people-pepper"
POSITIONS: Final = "positions"
ROWS: Final = "rows"
_SECRETS: Final = (KEK, PEPPER, POSITIONS, ROWS)
_DAY_S: Final = 86_400
#: Purposes of the keys that an issuer needs, and for how many days a first key of each is made.
_FIRST_KEYS: Final = {
    Purpose.CODE: 60,
    Purpose.STATUS: 365,
    Purpose.EVIDENCE: 365,
    Purpose.RULES: 365,
    Purpose.CHECKPOINT: 3650,
    Purpose.RECEIVING: 365,
}
#: Registrations and bindings are answered at the end of slots of this length: longer than the
#: index work, so that all of them are answered after the same time.
SLOT_S: Final = 0.5


def init(settings: Settings, *, now: int) -> Keystore:
    """Make keystore, secrets, first keys and databases. Refuses where there is a keystore.

    The keys are active from now on, but nobody trusts them before they are on a trust list.

    Raises:
        KeystoreError, OSError: Something is there already, or cannot be made.
    """
    settings.public.mkdir(parents=True, exist_ok=True)
    for url in (settings.issuer_database, settings.audit_database):
        parsed = make_url(url)
        if parsed.drivername == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _engines(settings) as (engine, audit_engine):
        create_tables(engine, metadata)
        create_tables(audit_engine, audit_metadata)
    with _code_token(settings) as token:
        store = Keystore.create(
            settings.keystore,
            read_passphrase(settings.passphrase_file).decode(),
            environment=Environment(settings.environment),
        )
        for name in _SECRETS:
            store.new_secret(name)
        for purpose, days in _FIRST_KEYS.items():
            ring = _code_keys(store, token) if purpose is Purpose.CODE else store
            made = ring.new(purpose, settings.region, now, now + days * _DAY_S, now=now)
            ring.move(made.kid, KeyState.ACTIVE, now)
    return store


def sign_policy(
    keystore: Keystore, policy: Policy, *, region: str, clock: Clock
) -> tuple[bytes, bytes]:
    """A rule set and a risk table as our RULES key signs them.

    Raises:
        NotReadyError: There is no such key.
    """
    signer = _signer(keystore, Purpose.RULES, region, clock)
    return sign_rules(policy[0], signer), sign_risk_table(policy[1], signer)


@dataclass(frozen=True, slots=True)
class Office:
    """Everything behind the counters, open.

    Attributes:
        self_source: The kid, in hex, of the key for what people say about themselves.
        trust_list: As signed; it is the one in force.
    """

    settings: Settings
    clock: Clock
    log: Log
    gate: Gate
    writer: Writer
    people: People
    sessions: Sessions
    enrolment: Enrolment
    desk: Desk
    publisher: Publisher
    erasures: Erasures
    exchange: Exchange
    self_source: str
    trust_list: bytes
    engine: Engine

    def adopt(self, rules: bytes, risks: bytes) -> None:
        """Put a signed rule set and a signed risk table in force, and decide anew."""
        self.writer.run(lambda tx: adopt_rules(tx, rules), now=self.clock())
        self.writer.run(lambda tx: adopt_risk_table(tx, risks), now=self.clock())
        run_jobs(self.writer, now=self.clock())

    def publish(self) -> None:
        """Write the whole public folder anew."""
        published = self.settings.public / TRUST_LIST_FILE
        trust_list = newer_trust_list(self.trust_list, published)
        self.publisher.publish_all(trust_list, now=self.clock())
        write_public(self.log, self.settings.public)

    def maintain(self) -> None:
        """What is due: notices, re-assessments, appeals, windows that ended, lists that changed."""
        self.exchange.maintain()
        run_jobs(self.writer, now=self.clock())
        run_windows(self.writer, now=self.clock())
        self.publisher.publish_changed(now=self.clock())
        write_public(self.log, self.settings.public)

    def services(self, issuing: Issuing) -> Services:
        """What the web application works with."""
        return Services(
            clock=self.clock,
            sessions=self.sessions,
            enrolment=self.enrolment,
            issuing=issuing,
            log=self.log,
            gate=self.gate,
            exchange=self.exchange,
            lists=PublishedLists(self.settings.public, self.writer),
            public=self.settings.public,
            self_source=self.self_source,
            slot_s=SLOT_S,
        )


@contextmanager
def office(  # noqa: PLR0913 - the last four are for tests and for whoever adopts
    settings: Settings,
    keystore: Keystore,
    *,
    clock: Clock,
    cost: IndexCost | None = None,
    delivery: CodeDelivery | None = None,
    in_force: Policy | None = None,
    restored: bool = False,
) -> Iterator[Office]:
    """Open everything; recover what an earlier run owed the log; close it at the end.

    Args:
        settings: Of this process.
        keystore: Open.
        clock: The present second.
        cost: Of an index entry; the same for ever.
        delivery: To phones; the local outbox by default.
        in_force: What decides until something is adopted: for whoever is about to adopt.
        restored: Open copies that are older than what was published: for `issuer.comeback` alone.

    Raises:
        RestoredError: What was published is newer than the databases.
        NotReadyError: No trust list that names this issuer and its keys, or no rules adopted.
        IssuerError, AuditError, KeysError: Something is there, but not as it must be.
    """
    now, region = clock(), settings.region
    with _engines(settings) as (engine, audit_engine), _code_token(settings) as token:
        secrets = Secrets(*(keystore.secret(name) for name in (KEK, POSITIONS, ROWS)))
        log = Log(
            audit_engine,
            _signer(keystore, Purpose.CHECKPOINT, region, clock),
            settings.log_origin,
        )
        trust_list, trust = _read_trust(settings.trust, now)
        policy = _adopted(engine, trust) or in_force
        if policy is None:
            raise NotReadyError("no rules are in force yet: celadon adopt")
        ring = _code_keys(keystore, token)
        writer = Writer(engine, log, secrets, _authority(settings, ring, trust, policy, clock))
        if not restored:
            issuer = writer.authority.issuer
            require_reconciled(engine, log, secrets, settings.public, issuer)
        writer.recover(now=now)
        erasures = Erasures.beside(settings.keystore, secrets.rows)
        pepper = keystore.secret(PEPPER)
        people_keys = PeopleKeys(secrets.kek, pepper, secrets.rows)
        people = People(engine, people_keys, cost=cost or IndexCost())
        sessions = Sessions(engine, secrets.rows)
        gate = Gate(audit_engine, log)
        evidence_key = _signer(keystore, Purpose.EVIDENCE, region, clock)
        source = evidence_key.kid.hex()
        enrolment = Enrolment(
            writer,
            people,
            sessions,
            LimitedDelivery(delivery or LocalOutbox(settings.outbox)),
            pepper=pepper,
            source=source,
            life_s=settings.session_s,
            clock=clock,
            erasures=erasures,
        )
        yield Office(
            settings=settings,
            clock=clock,
            log=log,
            gate=gate,
            writer=writer,
            people=people,
            sessions=sessions,
            enrolment=enrolment,
            desk=Desk(gate, people, writer, clock=clock),
            publisher=Publisher(
                writer, settings.public, _signer(keystore, Purpose.STATUS, region, clock)
            ),
            erasures=erasures,
            exchange=Exchange(writer, people, evidence_key, keystore.openers(), clock),
            self_source=source,
            trust_list=trust_list,
            engine=engine,
        )


@contextmanager
def _engines(settings: Settings) -> Iterator[tuple[Engine, Engine]]:
    with ExitStack() as stack:
        engines = []
        for url in (settings.issuer_database, settings.audit_database):
            engine = open_engine(url)
            stack.callback(engine.dispose)
            engines.append(engine)
        yield engines[0], engines[1]


@contextmanager
def _code_token(settings: Settings) -> Iterator[KeysInside | None]:
    if settings.code_token is None:
        yield None
    else:
        with open_token(settings.code_token) as token:
            yield token


def _code_keys(keystore: Keystore, token: KeysInside | None) -> Keyring:
    return keystore if token is None else TokenKeyring(keystore, token)


def _signer(keystore: Keyring, purpose: Purpose, region: str, clock: Clock) -> KeySigner:
    """The newest key for this purpose that may sign now."""
    return _signers(keystore, purpose, region, clock)[0]


def _signers(
    keystore: Keyring, purpose: Purpose, region: str, clock: Clock
) -> tuple[KeySigner, ...]:
    now = clock()
    may_sign = [
        info.kid
        for info in reversed(keystore.keys())
        if info.purpose is purpose
        and info.state is KeyState.ACTIVE
        and info.not_before <= now < info.not_after
    ]
    if not may_sign:
        raise NotReadyError(f"the keystore has no active {purpose} key: celadon keys new")
    return tuple(
        keystore.signer(kid, purpose=purpose, region=region, clock=clock) for kid in may_sign
    )


def _read_trust(folder: Path, now: int) -> tuple[bytes, TrustList]:
    """The trust list in force.

    Raises:
        NotReadyError: Roots or list are not there yet.
        TrustListError: The list is not one that these roots signed, or it ended.
    """
    try:
        roots, data = (folder / ROOTS_FILE).read_bytes(), (folder / TRUST_LIST_FILE).read_bytes()
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise NotReadyError(
            f"CELADON_TRUST has no {missing}: ask the trust list's keepers"
        ) from error
    return data, accept_trust_list(None, data, roots=decode_roots(roots), now=now)


def _adopted(engine: Engine, trust: TrustList) -> Policy | None:
    """What was adopted last, of both."""
    with read_store(engine) as store:
        rules, risks = rules_version(store), risk_table_version(store)
        if rules is None or risks is None:
            return None
        return read_rules(store, trust, *rules), read_risk_table(store, trust, risks)


def _authority(
    settings: Settings, code_keys: Keyring, trust: TrustList, policy: Policy, clock: Clock
) -> Authority:
    rules, risks = policy
    return Authority(
        issuer=_ourselves(settings, trust),
        trust=trust,
        rules=rules,
        risks=risks,
        code_keys=_signers(code_keys, Purpose.CODE, settings.region, clock),
    )


def _ourselves(settings: Settings, trust: TrustList) -> ListedIssuer:
    for issuer in trust.issuers:
        if issuer.region == settings.region:
            return issuer
    raise NotReadyError(f"the trust list does not name an issuer for {settings.region}")
