"""A small valid world: two provinces, their keys and lists, and codes that are admitted.

Everything is fixed by seeds, so that two runs make the same bytes. Each test changes one part.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Final

from keys.ed25519 import PublicKey
from keys.lifecycle import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustlist import Ending, ListedIssuer, ListedKey, Roots, TrustList
from verifier.check import Lists
from verifier.claims import HOUR_S, Claims, Colour, Cti, sign_code
from verifier.presentation import sign_presentation
from verifier.statuslist import (
    DEFAULT_ENTRIES,
    Status,
    StatusList,
    pack_statuses,
    sign_status_list,
    verify_status_list,
)
from verifier.transport import encode_text

__all__ = [
    "ANKANG", "DAY_S", "HEILONGJIANG", "NOW", "SHAANXI", "YANAN", "Province", "World", "listed",
    "paper_code", "phone_code", "presentation", "seed", "signer",
]  # fmt: skip

DAY_S: Final = 24 * HOUR_S
#: 13 December 2020, 12:00 in China, the day before the notice.
NOW: Final = 1_607_832_000


def seed(name: str) -> bytes:
    """32 bytes that belong to *name* for ever."""
    return hashlib.sha256(b"celadon test seed " + name.encode()).digest()


def signer(name: str) -> SeedSigner:
    return SeedSigner(seed(name))


@dataclass(frozen=True)
class Province:
    """An issuer with one code key and one status key. The code key lives as long as the issuer."""

    region: str
    name_zh: str
    name_en: str
    first_list: int
    last_list: int
    ending: Ending | None = None

    @property
    def code_signer(self) -> SeedSigner:
        return signer(f"{self.region} code")

    @property
    def status_signer(self) -> SeedSigner:
        return signer(f"{self.region} status")

    @property
    def status_base(self) -> str:
        return f"https://{self.name_en.lower()}.example/status/"

    def uri(self, list_number: int) -> str:
        return f"{self.status_base}{list_number}.cwt"

    def listed(self, *, now: int = NOW) -> ListedIssuer:
        grace_until = None if self.ending is None else self.ending.grace_until
        code_key = self.code_signer.public_key
        return ListedIssuer(
            region=self.region,
            name_zh=self.name_zh,
            name_en=self.name_en,
            status_base=self.status_base,
            first_list=self.first_list,
            last_list=self.last_list,
            contact=f"https://{self.name_en.lower()}.example/help",
            keys=(
                listed(code_key, Purpose.CODE, now=now, not_after=grace_until),
                listed(self.status_signer.public_key, Purpose.STATUS, now=now),
            ),
            ending=self.ending,
        )

    def status_token(self, list_number: int, packed: bytes, *, issued_at: int) -> bytes:
        return sign_status_list(
            packed,
            uri=self.uri(list_number),
            issued_at=issued_at,
            exp=issued_at + DAY_S,
            ttl=HOUR_S,
            signer=self.status_signer,
        )


SHAANXI: Final = Province("610000", "陕西", "Shaanxi", 1, 1000)
HEILONGJIANG: Final = Province("230000", "黑龙江", "Heilongjiang", 2001, 3000)
# The notice says that both cities end their code in favour of the province's, and names no day:
# Yan'an's counts no more at NOW, Ankang's is in its grace.
YANAN: Final = Province(
    "610600", "延安", "Yanan", 3001, 3010, Ending("610000", NOW - 8 * DAY_S, NOW)
)
ANKANG: Final = Province(
    "610900", "安康", "Ankang", 3011, 3020, Ending("610000", NOW - DAY_S, NOW + 7 * DAY_S)
)


def listed(
    public_key: PublicKey,
    purpose: Purpose,
    *,
    now: int = NOW,
    not_before: int | None = None,
    not_after: int | None = None,
) -> ListedKey:
    """A key in force from a week before *now* for a month, unless told otherwise."""
    return ListedKey(
        public_key,
        purpose,
        now - 7 * DAY_S if not_before is None else not_before,
        now + 30 * DAY_S if not_after is None else not_after,
    )


def _trust_list(now: int) -> TrustList:
    return TrustList(
        version=7,
        issued_at=now - 6 * HOUR_S,
        next_update=now + 18 * HOUR_S,
        not_after=now + 42 * HOUR_S,
        roots=Roots(
            epoch=1,
            threshold=2,
            keys=tuple(signer(f"root {n}").public_key for n in (1, 2, 3)),
            environment=Environment.PRODUCTION,
        ),
        issuers=(SHAANXI.listed(now=now), HEILONGJIANG.listed(now=now)),
    )


@dataclass(frozen=True)
class World:
    """What a verifier holds at *now*.

    Attributes:
        statuses: Entries that are not VALID, for each (province, list number).
    """

    now: int = NOW
    trust: TrustList = field(default_factory=lambda: _trust_list(NOW))
    statuses: dict[tuple[Province, int], dict[int, Status]] = field(
        default_factory=lambda: {(SHAANXI, 1): {}, (HEILONGJIANG, 2001): {}}
    )
    entries: int = DEFAULT_ENTRIES

    @classmethod
    def at(cls, now: int) -> "World":
        return cls(now=now, trust=_trust_list(now))

    def with_status(self, province: Province, list_number: int, index: int, to: Status) -> "World":
        changed = {**self.statuses.get((province, list_number), {}), index: to}
        return replace(self, statuses={**self.statuses, (province, list_number): changed})

    def tokens(self) -> dict[int, bytes]:
        """The signed status lists, by list number, as published an hour before *now*."""
        return {
            number: province.status_token(
                number, pack_statuses(entries, entries=self.entries), issued_at=self.now - HOUR_S
            )
            for (province, number), entries in self.statuses.items()
        }

    def status_lists(self) -> dict[int, StatusList]:
        return {
            number: verify_status_list(token, self.trust, now=self.now)
            for number, token in self.tokens().items()
        }

    def lists(self) -> Lists:
        return Lists(self.trust, self.status_lists())


def paper_code(
    province: Province = SHAANXI,
    *,
    now: int = NOW,
    cti: Cti | None = None,
    colour: Colour = Colour.GREEN,
) -> bytes:
    """100 bytes, good for another three days."""
    exp = now // HOUR_S * HOUR_S + 3 * DAY_S
    return sign_code(
        Claims(exp, cti or Cti(province.first_list, 4711), colour), province.code_signer
    )


def phone_code(
    province: Province = SHAANXI,
    *,
    now: int = NOW,
    cti: Cti | None = None,
    colour: Colour = Colour.GREEN,
    holder: str = "holder",
) -> bytes:
    """144 bytes, good for another twelve hours."""
    exp = now // HOUR_S * HOUR_S + 12 * HOUR_S
    claims = Claims(exp, cti or Cti(province.first_list, 4712), colour, signer(holder).public_key)
    return sign_code(claims, province.code_signer)


def presentation(code: bytes, *, holder: str = "holder", now: int = NOW) -> str:
    """The text that the phone shows at *now*."""
    return encode_text(sign_presentation(code, signer(holder), now=now))
