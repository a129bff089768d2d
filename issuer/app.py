"""The composition root: settings to engines, log, keystore, services and web application. Shell.

Everything is opened here, once, and closed in the opposite order. `init` makes what `office` opens.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from audit.database import create_tables, open_engine
from audit.gate import Gate
from audit.log import Log
from audit.logreader import LogReader
from audit.models import metadata as audit_metadata
from audit.publish import write_public
from audit.tlog.note import NoteKey
from issuer.between.exchange import Exchange
from issuer.codes.issuing import Issuing
from issuer.codes.shards import codes_left
from issuer.colour.adoption import adopt_policy
from issuer.colour.policy import (
    Policy,
    read_risk_table,
    read_rules,
    risk_table_version,
    rules_version,
)
from issuer.colour.reassess import run_jobs, run_windows
from issuer.colour.risk import sign_risk_table
from issuer.errors import NotReadyError
from issuer.keyroom import (
    Clock,
    KeyRoom,
    newest_signer,
    newest_signer_or_stopped,
    own_issuer,
    read_trust_list,
)
from issuer.models import metadata
from issuer.people.binding import Sessions
from issuer.people.desk import Desk
from issuer.people.enrolment import Enrolment
from issuer.people.erasures import Erasures
from issuer.people.outbox import LimitedDelivery, LocalOutbox
from issuer.people.people import IndexCost, People, PeopleKeys
from issuer.publication.publish import Publisher
from issuer.publication.publishedlists import PublishedLists
from issuer.recovery.reconcile import Difference, reconcile
from issuer.recovery.recovery import require_reconciled
from issuer.replay.replay import Replay
from issuer.rules.rules import sign_rules
from issuer.settings import Settings, SettingsError, read_passphrase
from issuer.storage.core import Authority, Secrets
from issuer.storage.store import read_store
from issuer.storage.tx import Done
from issuer.storage.writer import Writer
from issuer.web.factory import Services
from keys.cose import MessageSigner
from keys.keyring import Keyring, KeysInside, TokenKeyring, open_token
from keys.lifecycle import Environment, KeyState, Purpose
from keys.rotation import rotate
from keys.sealing import MODERATE_MEM, MODERATE_OPS
from keys.store import Keystore
from keys.trustlist import TrustList
from keys.trustplace import TRUST_LIST_FILE, newer_trust_list

__all__ = ["Office", "init", "office", "replaying", "sign_policy"]

KEK: Final = "people-kek"
PEPPER: Final = "people-pepper"
POSITIONS: Final = "positions"
ROWS: Final = "rows"
_SECRETS: Final = (KEK, PEPPER, POSITIONS, ROWS)
_DAY_S: Final = 86_400
_NO_RULES: Final = "no rules are in force yet: celadon adopt"
_LOG: Final = structlog.get_logger()
#: When less than this part of what today's code keys may sign is left, an operator is told.
_RESERVE: Final = 0.1
#: Purposes of keys beside those for codes, and how many days the first one of each lives.
_FIRST_KEYS: Final = {
    Purpose.STATUS: 365,
    Purpose.EVIDENCE: 365,
    Purpose.RULES: 365,
    Purpose.CHECKPOINT: 3650,
    Purpose.RECEIVING: 365,
}
#: Registrations and bindings are answered at the end of slots of this length: longer than the
#: index work, so that all of them are answered after the same time.
SLOT_S: Final = 0.5


def init(
    settings: Settings, *, now: int, ops: int = MODERATE_OPS, mem: int = MODERATE_MEM
) -> Keystore:
    """Make keystore, secrets, first keys and databases. Refuses where there is a keystore.

    Code keys wait until they are on a trust list; the others are active from now on, but nobody
    trusts them before they are on one.

    Args:
        settings: Of the new issuer.
        now: UNIX seconds.
        ops: Argon2id's passes over the keystore's passphrase.
        mem: Argon2id's bytes of memory.

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
            read_passphrase(settings.passphrase_file),
            environment=Environment(settings.environment),
            ops=ops,
            mem=mem,
        )
        for name in _SECRETS:
            store.new_secret(name)
        for purpose, days in _FIRST_KEYS.items():
            made = store.new(purpose, settings.region, now, now + days * _DAY_S, now=now)
            store.move(made.kid, KeyState.ACTIVE, now)
        ring = _code_keys(store, token)
        rotate(ring, None, region=settings.region, supply=settings.supply, now=now)
    return store


def sign_policy(
    keystore: Keystore, policy: Policy, *, region: str, clock: Clock
) -> tuple[bytes, bytes]:
    """A rule set and a risk table as our RULES key signs them.

    Raises:
        NotReadyError: There is no such key.
    """
    signer = newest_signer(keystore, Purpose.RULES, region, clock)
    return sign_rules(policy[0], signer), sign_risk_table(policy[1], signer)


@dataclass(frozen=True, slots=True)
class Office:
    """Everything behind the counters, open.

    Attributes:
        keys: Keys and trust list, as they are in force.
    """

    settings: Settings
    clock: Clock
    keys: KeyRoom
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
    engine: Engine

    @property
    def trust_list(self) -> bytes:
        """As signed; it is the one in force."""
        return self.keys.trust_list

    def adopt(self, rules: bytes, risks: bytes | None) -> None:
        """Put a signed rule set and a signed risk table in force, and decide anew.

        With *risks* None the table in force stays.
        """
        self.writer.run(lambda tx: adopt_policy(tx, rules, risks), now=self.clock())
        run_jobs(self.writer, now=self.clock())

    def publish(self) -> None:
        """Write the whole public folder anew."""
        published = self.settings.public / TRUST_LIST_FILE
        trust_list = newer_trust_list(self.trust_list, published)
        self.publisher.publish_all(trust_list, now=self.clock())
        write_public(self.log, self.settings.public)

    def renew_keys(self) -> None:
        """Take a newer trust list, rotate code keys, sign with what may sign now."""
        self.keys.renew()
        renewed = _renewal(self.writer.authority, self.keys)
        if renewed(self.writer.authority) != self.writer.authority:
            self.writer.run(
                lambda tx: Done(None, authority=renewed(tx.authority)), now=self.clock()
            )
        self.publisher.signer = self.keys.signer_for(Purpose.STATUS)

    def reconcile(self) -> list[Difference]:
        """Hold the counts of signatures against the log; stop and tell the keys that differ."""
        found = self.writer.run(lambda tx: reconcile(tx, self.log), now=self.clock())
        for each in found:
            _LOG.error(
                "signatures_differ", kid=each.kid.hex(), count=each.codes, logged=each.logged
            )
        return found

    def watch_keys(self) -> None:
        """Reconcile, and say while there is time that codes or listed keys are running out."""
        self.reconcile()
        with read_store(self.engine) as store:
            left, room = codes_left(store, self.writer.secrets, self.writer.authority, self.clock())
        if left == 0:
            _LOG.error("no_code_key_left", size=room)
        elif left < room * _RESERVE:
            _LOG.warning("code_keys_low", count=left, size=room)
        late = self.keys.late()
        if late:
            _LOG.warning("code_keys_unlisted", count=len(late))

    def maintain(self) -> None:
        """What is due: notices, re-assessments, appeals, windows that ended, lists that changed.

        A failure of one is raised when all of them have had their turn.
        """
        steps = (
            lambda: self.writer.recover(now=self.clock()),  # of another process that died
            self.exchange.maintain,
            lambda: run_jobs(self.writer, now=self.clock()),
            lambda: run_windows(self.writer, now=self.clock()),
            lambda: self.publisher.publish_changed(now=self.clock()),
            lambda: write_public(self.log, self.settings.public),
        )
        with ExitStack() as due:
            for step in reversed(steps):
                due.callback(step)

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
            slot_s=SLOT_S,
        )


@contextmanager
def office(  # noqa: PLR0913 - the last three are for tests and for whoever adopts
    settings: Settings,
    keystore: Keystore,
    *,
    clock: Clock,
    cost: IndexCost | None = None,
    in_force: Callable[[TrustList], Policy] | None = None,
    restored: bool = False,
) -> Iterator[Office]:
    """Open everything; recover what an earlier run owed the log; close it at the end.

    Args:
        settings: Of this process.
        keystore: Open.
        clock: The present second.
        cost: Of an index entry; the same for ever.
        in_force: Gives, under the trust list in force, what decides until something is adopted:
            for whoever is about to adopt.
        restored: Open copies that are older than what was published: for
            `issuer.recovery.comeback` alone.

    Raises:
        SettingsError: Keystore or trust list are of another environment than the settings say.
        RestoredError: What was published is newer than the databases.
        NotReadyError: No trust list that names this issuer and its keys, or no rules adopted.
        IssuerError, AuditError, KeysError: Something is there, but not as it must be.
    """
    now, region = clock(), settings.region
    with _engines(settings) as (engine, audit_engine), _code_token(settings) as token:
        secrets = _secrets(keystore)
        checkpoints = newest_signer(keystore, Purpose.CHECKPOINT, region, clock)
        log = Log(audit_engine, checkpoints, settings.log_origin)
        room = KeyRoom(settings, keystore, _code_keys(keystore, token), log, clock)
        _require_environment(settings, keystore, room.trust)
        policy = _adopted(engine, room.trust)
        if policy is None and in_force is not None:
            policy = in_force(room.trust)
        if policy is None:
            raise NotReadyError(_NO_RULES)
        evidence_key = newest_signer_or_stopped(keystore, Purpose.EVIDENCE, region, clock)
        writer = Writer(engine, log, secrets, _authority(settings, room, policy, evidence_key))
        if not restored:
            issuer = writer.authority.issuer
            require_reconciled(engine, log, secrets, settings.public, issuer)
        writer.recover(now=now)
        if not restored:
            # Only now: an entry about a key must not hide that the log is shorter than it was.
            room.renew()
            writer.authority = _renewal(writer.authority, room)(writer.authority)
        erasures = Erasures.beside(settings.keystore, secrets.rows)
        pepper = keystore.secret(PEPPER)
        people_keys = PeopleKeys(secrets.kek, pepper, secrets.rows)
        people = People(engine, people_keys, cost=cost or IndexCost())
        sessions = Sessions(engine, secrets.rows)
        gate = Gate(audit_engine, log)
        enrolment = Enrolment(
            writer,
            people,
            sessions,
            LimitedDelivery(LocalOutbox(settings.outbox)),
            pepper=pepper,
            life_s=settings.session_s,
            clock=clock,
            erasures=erasures,
        )
        yield Office(
            settings=settings,
            clock=clock,
            keys=room,
            log=log,
            gate=gate,
            writer=writer,
            people=people,
            sessions=sessions,
            enrolment=enrolment,
            desk=Desk(gate, people, writer, clock=clock),
            publisher=Publisher(writer, settings.public, room.signer_for(Purpose.STATUS)),
            erasures=erasures,
            exchange=Exchange(writer, people, keystore.openers, clock),
            engine=engine,
        )


@contextmanager
def replaying(settings: Settings, keystore: Keystore, *, clock: Clock) -> Iterator[Replay]:
    """The replay of these databases: nothing is signed, moved or written for it.

    So it runs on copies beside a keystore in use, and on what `office` refuses to open.

    Raises:
        SettingsError, NotReadyError, KeysError: As `office`.
        IntegrityError: The rules or risks in force are not as they were signed.
    """
    region = settings.region
    with _engines(settings) as (engine, audit_engine):
        _, trust = read_trust_list(settings.trust, now=clock())
        _require_environment(settings, keystore, trust)
        policy = _adopted(engine, trust)
        if policy is None:
            raise NotReadyError(_NO_RULES)
        checkpoints = newest_signer_or_stopped(keystore, Purpose.CHECKPOINT, region, clock)
        authority = Authority(
            issuer=own_issuer(trust, region),
            trust=trust,
            rules=policy[0],
            risks=policy[1],
            code_keys=(),
            evidence_key=newest_signer_or_stopped(keystore, Purpose.EVIDENCE, region, clock),
        )
        log = LogReader(audit_engine, NoteKey(settings.log_origin, checkpoints.public_key))
        yield Replay(engine, log, _secrets(keystore), authority, now=clock())


def _secrets(keystore: Keystore) -> Secrets:
    return Secrets(*(keystore.secret(name) for name in (KEK, POSITIONS, ROWS)))


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


def _require_environment(settings: Settings, keystore: Keystore, trust: TrustList) -> None:
    """Trials and production share neither keys nor lists."""
    found = (("the keystore", keystore.environment), ("the trust list", trust.environment))
    problems = tuple(
        f"CELADON_ENVIRONMENT is {settings.environment}, and {what} is for {environment}"
        for what, environment in found
        if environment.value != settings.environment
    )
    if problems:
        raise SettingsError(problems)


def _code_keys(keystore: Keystore, token: KeysInside | None) -> Keyring:
    return keystore if token is None else TokenKeyring(keystore, token)


def _adopted(engine: Engine, trust: TrustList) -> Policy | None:
    """What was adopted last, of both."""
    with read_store(engine) as store:
        rules, risks = rules_version(store), risk_table_version(store)
        if rules is None or risks is None:
            return None
        return read_rules(store, trust, *rules), read_risk_table(store, trust, risks)


def _renewal(held: Authority, keys: KeyRoom) -> Callable[[Authority], Authority]:
    """Puts the keys and the trust list of now in force, whatever else changed meanwhile."""
    return partial(
        replace,
        issuer=keys.issuer,
        trust=keys.trust,
        code_keys=keys.code_keys,
        evidence_key=_evidence_key(held, keys),
    )


def _evidence_key(held: Authority, keys: KeyRoom) -> MessageSigner:
    """Without one, what needs it is refused by the one held, and all else goes on."""
    try:
        return keys.signer_for(Purpose.EVIDENCE)
    except NotReadyError:
        _LOG.error("no_evidence_key")
        return held.evidence_key


def _authority(
    settings: Settings, room: KeyRoom, policy: Policy, evidence_key: MessageSigner
) -> Authority:
    rules, risks = policy
    return Authority(
        issuer=room.issuer,
        trust=room.trust,
        rules=rules,
        risks=risks,
        code_keys=room.code_keys,
        evidence_key=evidence_key,
        codes_per_key=settings.codes_per_key,
    )
