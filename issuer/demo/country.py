"""Two provinces, their keys, databases and doors, all in one folder. The demo's stage.

Everything here is what an installation does, through the same functions; only the Argon2id limits
are lower, and the roots that would be on separate machines are in separate folders.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from audit.publish import write_public
from issuer.adoption import adopt_risk_table
from issuer.app import ROOTS_FILE, TRUST_LIST_FILE, Office, init, office
from issuer.demo import softhsm
from issuer.demo.cast import CONTROLLED, HEILONGJIANG, NOW, SHAANXI
from issuer.people import IndexCost
from issuer.reassess import Reassessed, run_jobs
from issuer.risk import RiskLevel, RiskTable, shipped_risk_table, sign_risk_table
from issuer.rules import parse_rules, sign_rules
from issuer.settings import Settings, from_env
from keys.cose import MessageSigner
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.sealing import INTERACTIVE_MEM, INTERACTIVE_OPS
from keys.store import Keystore
from keys.trustlist import (
    ListedIssuer,
    ListedKey,
    Roots,
    TrustList,
    encode_roots,
    encode_trust_list,
    sign_trust_list,
)

__all__ = ["Clock", "Country", "Province", "open_country"]

_DAY_S: Final = 86_400
_ROOTS: Final = 3
_THRESHOLD: Final = 2
_LISTS_EACH: Final = 2**20 // 34
#: The demo's Argon2id: the least that the tools allow.
_COST: Final = (INTERACTIVE_OPS, INTERACTIVE_MEM)


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
class Country:
    out: Path
    clock: Clock
    shaanxi: Province
    heilongjiang: Province

    @property
    def public(self) -> Path:
        return self.out / "public"

    @property
    def roots_file(self) -> Path:
        return self.out / "private" / "trust" / ROOTS_FILE

    def sign_risks(self, table: RiskTable) -> bytes:
        """Heilongjiang signs the risk table of the story, for its own compounds stand in it."""
        return sign_risk_table(table, self.heilongjiang.signer(Purpose.RULES))

    def publish(self) -> None:
        for province in (self.heilongjiang, self.shaanxi):
            province.publish()
        write_public(self.shaanxi.office.log, self.public)


@dataclass(frozen=True, slots=True)
class _Site:
    """What a province has before anybody trusts it."""

    settings: Settings
    keystore: Keystore
    source: Keystore
    name_zh: str
    name_en: str
    first_list: int

    def listed(self) -> ListedIssuer:
        """Its entry on the trust list."""
        infos = [*self.keystore.keys(), *self.source.keys()]
        return ListedIssuer(
            region=self.settings.region,
            name_zh=self.name_zh,
            name_en=self.name_en,
            status_base="https://celadon.example/status/",
            first_list=self.first_list,
            last_list=self.first_list + _LISTS_EACH - 1,
            contact=f"appeals@{self.settings.region}.celadon.example",
            keys=tuple(_listed(info) for info in infos),
        )


@contextmanager
def open_country(out: Path, *, tokens: bool) -> Iterator[Country]:
    """Make keys, a trust list and two provinces below *out*, and open them.

    With *tokens*, the keys that sign codes are in a PKCS#11 token of each province.
    """
    clock = Clock(NOW)
    places = _tokens(out / "private" / "hsm") if tokens else {}
    sites = [
        _found(out, SHAANXI, "陕西", "Shaanxi", 0, places),
        _found(out, HEILONGJIANG, "黑龙江", "Heilongjiang", _LISTS_EACH, places),
    ]
    _hold_ceremony(out / "private", [site.listed() for site in sites])
    with ExitStack() as stack:
        provinces = [stack.enter_context(_open(site, clock)) for site in sites]
        country = Country(out, clock, *provinces)
        risks = country.sign_risks(_risks_of_the_day())
        for province in provinces:
            rules = province.office.writer.authority.rules
            province.office.adopt(sign_rules(rules, province.signer(Purpose.RULES)), risks)
        yield country


def _tokens(folder: Path) -> dict[str, str]:
    """Where the token of each province is: all are made before the first is opened."""
    softhsm.set_up(folder)
    found = {}
    for region in (SHAANXI, HEILONGJIANG):
        place = softhsm.make_token(region, folder / f"{region}.pin")
        found[region] = (
            f"pkcs11:token={region}?module-path={place.module}"
            f"&pin-source=file:{quote(str(place.pin_file))}"
        )
    return found


def _found(  # noqa: PLR0913, PLR0917 - what tells the provinces apart
    out: Path, region: str, name_zh: str, name_en: str, first_list: int, tokens: Mapping[str, str]
) -> _Site:
    """Keystores and databases of a province, made by `celadon init`'s own function."""
    private = out / "private" / region
    private.mkdir(parents=True, mode=0o700)
    passphrase = private / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_urlsafe() + "\n")
    settings = from_env(
        {
            "CELADON_ENVIRONMENT": Environment.TEST,
            "CELADON_REGION": region,
            "CELADON_LOG_ORIGIN": f"celadon.example/{region}",
            "CELADON_ISSUER_DATABASE": f"sqlite:///{private}/issuer.db",
            "CELADON_AUDIT_DATABASE": f"sqlite:///{private}/audit.db",
            "CELADON_KEYSTORE": f"{private}/keystore",
            "CELADON_PASSPHRASE_FILE": f"{passphrase}",
            "CELADON_CODE_TOKEN": tokens.get(region, "none"),
            "CELADON_TRUST": f"{out}/private/trust",
            "CELADON_PUBLIC": f"{out}/public",
            "CELADON_OUTBOX": f"{private}/outbox",
        }
    )
    keystore = init(settings, now=NOW - _DAY_S)
    source = _keystore(private / "cdc-keystore")
    _new_key(source, Purpose.EVIDENCE, region)
    return _Site(settings, keystore, source, name_zh, name_en, first_list)


def _keystore(folder: Path) -> Keystore:
    passphrase = secrets.token_urlsafe()
    written = folder.with_suffix(".passphrase")
    written.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written.touch(mode=0o600)
    written.write_text(passphrase + "\n")
    return Keystore.create(
        folder, passphrase, environment=Environment.TEST, ops=_COST[0], mem=_COST[1]
    )


def _new_key(keystore: Keystore, purpose: Purpose, region: str) -> MessageSigner:
    begin = NOW - _DAY_S
    info = keystore.new(purpose, region, begin, begin + 365 * _DAY_S, now=begin)
    keystore.move(info.kid, KeyState.ACTIVE, begin)
    return keystore.signer(info.kid, purpose=purpose, region=region, clock=lambda: NOW)


def _listed(info: KeyInfo) -> ListedKey:
    return ListedKey(info.public_key, info.purpose, info.not_before, info.not_after)


def _hold_ceremony(private: Path, issuers: list[ListedIssuer]) -> None:
    """Three roots, each in a keystore of its own; two of them sign the trust list."""
    signers = [
        _new_key(_keystore(private / "roots" / f"root-{number}"), Purpose.TRUST_ROOT, "000000")
        for number in range(1, _ROOTS + 1)
    ]
    roots = Roots(1, _THRESHOLD, tuple(signer.public_key for signer in signers), Environment.TEST)
    trust = TrustList(
        version=1,
        issued_at=NOW - 3600,
        next_update=NOW + _DAY_S,
        not_after=NOW + 14 * _DAY_S,
        roots=roots,
        issuers=tuple(issuers),
    )
    folder = private / "trust"
    folder.mkdir()
    (folder / ROOTS_FILE).write_bytes(encode_roots(roots))
    signed = sign_trust_list(encode_trust_list(trust), signers[:_THRESHOLD])
    (folder / TRUST_LIST_FILE).write_bytes(signed)


@contextmanager
def _open(site: _Site, clock: Clock) -> Iterator[Province]:
    region = site.settings.region
    rules = parse_rules(_standard(region), now=clock())
    with office(
        site.settings,
        site.keystore,
        clock=clock,
        cost=IndexCost(*_COST),
        in_force=(rules, _risks_of_the_day()),
    ) as opened:
        (key,) = site.source.keys()
        source = site.source.signer(key.kid, purpose=Purpose.EVIDENCE, region=region, clock=clock)
        yield Province(opened, site.keystore, source)


def _risks_of_the_day() -> RiskTable:
    """The notice's table, and the one place that the story adds."""
    return shipped_risk_table("2020-12-13").with_change(
        CONTROLLED, RiskLevel.MEDIUM, NOW - _DAY_S, issued_at=NOW - _DAY_S
    )


def _standard(region: str) -> bytes:
    """The Shaanxi standard; another province applies it as its own, seen from its own inside."""
    text = files("issuer.rulesets").joinpath("shaanxi-2020-12.json").read_bytes()
    if region == SHAANXI:
        return text
    data = json.loads(text)
    data |= {"id": f"standard-{region}", "jurisdiction": region}
    return json.dumps(data, ensure_ascii=False).encode()
