"""What somebody does who stole roots: an issuer of their own on a list, offered to doors. Shell."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from issuer.codes.mint import expiries
from issuer.drills.world import Venue, World
from issuer.stage import LISTS_EACH
from keys.lifecycle import Purpose
from keys.signer import SeedSigner
from keys.trustlist import ListedIssuer, ListedKey
from verifier.cache import TRUST_LIST
from verifier.claims import Claims, Colour, Cti, Medium, sign_code
from verifier.transport import encode_text

__all__ = ["Thief", "forged_issuer", "offer"]

_REGION: Final = "990000"
_FIRST_LIST: Final = 30 * LISTS_EACH


@dataclass(frozen=True, slots=True)
class Thief:
    """A list that names the thief's issuer, and a code by that issuer."""

    signed: bytes
    code: str


def forged_issuer(world: World, *stolen: int) -> Thief:
    """The next list, with one issuer more, signed by the stolen roots."""
    now, signer = world.clock(), SeedSigner(os.urandom(32))
    exp = expiries(Medium.PAPER, 1, now=now)[0]
    key = ListedKey(signer.public_key, Purpose.CODE, now, exp)
    issuer = ListedIssuer(
        region=_REGION,
        name_zh="假",
        name_en="Forged",
        status_base="https://forged.example/status/",
        first_list=_FIRST_LIST,
        last_list=_FIRST_LIST,
        contact="forged.example",
        keys=(key,),
    )
    trust = world.next_list(issuers=(*world.trust.issuers, issuer))
    code = sign_code(Claims(exp, Cti(_FIRST_LIST, 0), Colour.GREEN, None), signer)
    return Thief(world.sign(trust, *stolen), encode_text(code))


def offer(world: World, signed: bytes, door: Venue) -> str:
    """Have *door* update from a host that serves this trust list: "taken" or "refused"."""
    host = _host(world.out, signed)
    held = door.trust()
    report = door.update(str(host))
    if door.trust() != held:
        return "taken"
    refused = any(problem.what == "trust list" and problem.refused for problem in report.problems)
    return "refused" if refused else "passed over"


def _host(out: Path, signed: bytes) -> Path:
    folder = out / "hosts" / sha256(signed).hexdigest()[:8]
    folder.mkdir(parents=True)
    (folder / TRUST_LIST).write_bytes(signed)
    return folder
