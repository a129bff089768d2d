"""What the demo and the drills stand on: a clock, provinces, holders of roots. Shell.

Everything here is what an installation does, through the same functions; only the Argon2id limits
are lower, and what would be on separate machines is in separate folders.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.app import Office, init, office
from issuer.colour.adoption import adopt_risk_table
from issuer.colour.policy import Policy
from issuer.colour.reassess import Reassessed, run_jobs
from issuer.people.people import IndexCost
from issuer.settings import Settings, from_env
from keys.cose import MessageSigner
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.sealing import INTERACTIVE_MEM, INTERACTIVE_OPS
from keys.store import Keystore
from keys.trustenvelope import encode_envelope, merge_envelopes, sign_payload
from keys.trustlist import (
    ListedIssuer,
    ListedKey,
    Roots,
    TrustList,
    encode_roots,
    encode_trust_list,
)
from keys.trustplace import ROOTS_FILE, TRUST_LIST_FILE

__all__ = [
    "DAY_S", "LEAST", "LISTS_EACH", "Clock", "Place", "Province", "RootHolder", "Site", "make_site",
    "opened", "put_trust", "sign_together",
]  # fmt: skip

DAY_S: Final = 86_400
#: The list numbers of one of 34 provinces.
LISTS_EACH: Final = 2**20 // 34
#: Argon2id's least, passes and bytes: the passphrases here are random, so stretching adds nothing.
LEAST: Final = (1, 8192)
_KEYS_LIVE_S: Final = 365 * DAY_S
_COUNTRY: Final = "000000"
_GONE: Final = {KeyState.COMPROMISED, KeyState.DESTROYED}


class Clock:
    """The story's time. It only ever moves forward."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: int) -> int:
        self.now += seconds
        return self.now


@dataclass(frozen=True, slots=True)
class Place:
    """What tells one province from another."""

    region: str
    name_zh: str
    name_en: str
    first_list: int


@dataclass(frozen=True, slots=True)
class Site:
    """What a province has before anybody trusts it."""

    place: Place
    settings: Settings
    keystore: Keystore
    source: Keystore

    def listed(self) -> ListedIssuer:
        """Its entry on the trust list, with every key that it may sign with, now or later."""
        infos = [*self.keystore.keys(), *self.source.keys()]
        return ListedIssuer(
            region=self.place.region,
            name_zh=self.place.name_zh,
            name_en=self.place.name_en,
            status_base="https://celadon.example/status/",
            first_list=self.place.first_list,
            last_list=self.place.first_list + LISTS_EACH - 1,
            contact=f"appeals@{self.place.region}.celadon.example",
            keys=tuple(_listed(info) for info in infos if info.state not in _GONE),
        )


@dataclass(frozen=True, slots=True)
class Province:
    """One issuer, open for business, and the signer of its source of evidence."""

    office: Office
    keystore: Keystore
    source: MessageSigner

    def signer(self, purpose: Purpose) -> MessageSigner:
        infos = self.keystore.keys()
        info = next(info for info in infos if info.purpose is purpose)
        region = self.office.settings.region
        return self.keystore.signer(
            info.kid, purpose=purpose, region=region, clock=self.office.clock
        )

    def publish(self) -> None:
        """Lists, keys, rules and risk table, as a web server would give them to everybody."""
        self.office.publisher.publish_all(self.office.trust_list, now=self.office.clock())

    def adopt_risks(self, signed: bytes) -> Reassessed:
        """Put a signed risk table in force and decide anew about everybody it concerns."""
        now = self.office.clock()
        self.office.writer.run(lambda tx: adopt_risk_table(tx, signed), now=now)
        return run_jobs(self.office.writer, now=now)


@dataclass(frozen=True, slots=True)
class RootHolder:
    """One of those who sign trust lists, with a keystore and one root key in it."""

    folder: Path
    keystore: Keystore
    info: KeyInfo

    @classmethod
    def new(cls, folder: Path, *, now: int) -> "RootHolder":
        keystore = _keystore(folder)
        return cls(folder, keystore, _new_key(keystore, Purpose.TRUST_ROOT, _COUNTRY, now=now))

    def signer(self, *, now: int) -> MessageSigner:
        return self.keystore.signer(
            self.info.kid, purpose=Purpose.TRUST_ROOT, region=_COUNTRY, clock=lambda: now
        )


def sign_together(trust: TrustList, holders: Iterable[RootHolder], *, now: int) -> bytes:
    """Each of *holders* signs a copy by themselves; the copies are combined."""
    payload = encode_trust_list(trust)
    return merge_envelopes(
        encode_envelope(payload, [sign_payload(payload, holder.signer(now=now))])
        for holder in holders
    )


def put_trust(folder: Path, roots: Roots, signed: bytes) -> None:
    """Give an issuer its roots and its trust list."""
    folder.mkdir(exist_ok=True)
    (folder / ROOTS_FILE).write_bytes(encode_roots(roots))
    (folder / TRUST_LIST_FILE).write_bytes(signed)


def make_site(out: Path, place: Place, *, now: int, token: str = "none", shards: int = 1) -> Site:  # noqa: S107 - of PKCS#11
    """Keystores and databases of a province below *out*, made by `celadon init`'s own function."""
    private = out / "private" / place.region
    private.mkdir(parents=True, mode=0o700)
    passphrase = private / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_urlsafe() + "\n")
    settings = from_env(
        {
            "CELADON_ENVIRONMENT": Environment.TEST,
            "CELADON_REGION": place.region,
            "CELADON_LOG_ORIGIN": f"celadon.example/{place.region}",
            "CELADON_ISSUER_DATABASE": f"sqlite:///{private}/issuer.db",
            "CELADON_AUDIT_DATABASE": f"sqlite:///{private}/audit.db",
            "CELADON_KEYSTORE": f"{private}/keystore",
            "CELADON_PASSPHRASE_FILE": f"{passphrase}",
            "CELADON_CODE_TOKEN": token,
            "CELADON_CODE_KEY_SHARDS": str(shards),
            "CELADON_CODE_KEY_SPARES": "1",
            "CELADON_TRUST": f"{out}/private/trust",
            "CELADON_PUBLIC": f"{out}/public",
            "CELADON_OUTBOX": f"{private}/outbox",
        }
    )
    keystore = init(settings, now=now - DAY_S, ops=LEAST[0], mem=LEAST[1])
    source = _keystore(private / "cdc-keystore")
    _new_key(source, Purpose.EVIDENCE, place.region, now=now - DAY_S)
    return Site(place, settings, keystore, source)


@contextmanager
def opened(
    site: Site, clock: Clock, in_force: Policy, *, cost: IndexCost | None = None
) -> Iterator[Province]:
    """The province's office, as `celadon serve` opens it."""
    with office(
        site.settings,
        site.keystore,
        clock=clock,
        cost=cost or IndexCost(INTERACTIVE_OPS, INTERACTIVE_MEM),
        in_force=lambda _: in_force,
    ) as counters:
        (key,) = site.source.keys()
        region = site.place.region
        source = site.source.signer(key.kid, purpose=Purpose.EVIDENCE, region=region, clock=clock)
        yield Province(counters, site.keystore, source)


def _keystore(folder: Path) -> Keystore:
    passphrase = secrets.token_urlsafe()
    written = folder.with_suffix(".passphrase")
    written.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written.touch(mode=0o600)
    written.write_text(passphrase + "\n")
    return Keystore.create(
        folder, passphrase, environment=Environment.TEST, ops=LEAST[0], mem=LEAST[1]
    )


def _new_key(keystore: Keystore, purpose: Purpose, region: str, *, now: int) -> KeyInfo:
    info = keystore.new(purpose, region, now, now + _KEYS_LIVE_S, now=now)
    return keystore.move(info.kid, KeyState.ACTIVE, now)


def _listed(info: KeyInfo) -> ListedKey:
    return ListedKey(info.public_key, info.purpose, info.not_before, info.honoured_until)
