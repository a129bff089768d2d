"""What the code vectors are made of: a good code in pieces, and its signed variations."""

from dataclasses import dataclass
from typing import Final

from keys.signer import SeedSigner
from tests.cbor_support import byte_string, envelope, protected, sig_structure, text_of
from tests.code_support import DAY_S, NOW, SHAANXI, seed, signer
from tests.vectors.cases import Case
from verifier.check import Reason
from verifier.claims import HOUR_S, Claims, Colour, Cti, sign_code
from verifier.errors import TransportError
from verifier.transport import decode_text

__all__ = [
    "CODER",     "CODE_SEED",     "CTI",     "EXP",     "GOOD",     "HEADER",     "HOLDER",
    "KID",     "M1",     "M2",     "M3",     "PARTS",     "PAYLOAD",     "SIGNATURE",
    "STRUCTURE",     "Text",     "Vector",     "four_parts",     "h",     "malformed",
    "nested",     "outcome_is",     "paper",     "phone_code_for",     "raw_presentation",
    "signed",     "with_exp",
]  # fmt: skip

Text = str | list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Vector:
    """One case. A text that is long is given in parts, each with the times that it is repeated.

    Attributes:
        before: Texts that the same door was shown a moment before.
        colour: What staff see of it, where the policy lets them.
        step: Only where the reason does not say it.
    """

    name: str
    about: str
    text: Text
    kind: str
    reason: str
    world: str = "plain"
    now: int = NOW
    policy: str = "venue"
    before: tuple[str, ...] = ()
    colour: Colour | None = None
    step: int | None = None

    def case(self) -> Case:
        """Its folder."""
        parts = [(self.text, 1)] if isinstance(self.text, str) else self.text
        text = "".join(part * times for part, times in parts)
        earlier = {f"before-{n}.txt": shown for n, shown in enumerate(self.before, 1)}
        shown = {"code.txt": text, **earlier}
        given: dict[str, object] = {
            "now": self.now,
            "policy": self.policy,
            "world": f"../../worlds/{self.world}",
        }
        return Case(
            "code",
            self.name,
            self.about,
            {
                "kind": self.kind,
                "reason": self.reason,
                "colour": self.colour,
                "successor": "610000" if self.reason == Reason.ISSUER_ENDED else None,
            },
            {name: text.encode("utf-8", "surrogatepass") for name, text in shown.items()},
            {**given, "before": list(earlier)} if earlier else given,
            self.step or _step(Reason(self.reason), text),
        )


_STEPS: Final = {
    Reason.WRONG_TYPE: 2,
    Reason.CLOCK: 3,
    Reason.STALE_TRUST: 4,
    Reason.KEY_WITHDRAWN: 5,
    Reason.UNKNOWN_KEY: 5,
    Reason.KEY_PURPOSE: 6,
    Reason.ISSUER_ENDED: 6,
    Reason.KEY_NOT_IN_FORCE: 6,
    Reason.OUT_OF_SCOPE: 6,
    Reason.BAD_SIGNATURE: 7,
    Reason.NOT_YET: 8,
    Reason.EXPIRED: 8,
    Reason.PRESENTATION_OLD: 9,
    Reason.PRESENTATION_AHEAD: 9,
    Reason.NO_STATUS: 10,
    Reason.STALE_STATUS: 10,
    Reason.STATUS_UNKNOWN: 10,
    Reason.WITHDRAWN: 10,
    Reason.SUPERSEDED: 10,
    Reason.NOT_ADMITTED: 11,
    Reason.REPEATED: 12,
}


def _step(reason: Reason, text: str) -> int | None:
    """The step that gives *reason*, or None where all pass."""
    if reason is not Reason.MALFORMED:
        return _STEPS.get(reason)
    try:
        decode_text(text)
    except TransportError:
        return 1
    return 2


CODE_SEED: Final = seed("610000 code")
CODER: Final = SHAANXI.code_signer
KID: Final = CODER.kid
HEADER: Final = protected(KID)
EXP: Final = (NOW + 3 * DAY_S).to_bytes(4, "big")
CTI: Final = Cti(1, 4711).encode()
HOLDER: Final = signer("holder")
M1: Final = bytes.fromhex("041A") + EXP
M2: Final = bytes.fromhex("0745") + CTI
M3: Final = bytes.fromhex("3A0001000000")
PAYLOAD: Final = b"\xa3" + M1 + M2 + M3


def h(text: str) -> bytes:
    return bytes.fromhex(text)


def signed(
    payload: bytes = PAYLOAD,
    *,
    header: bytes = HEADER,
    unprotected: bytes = b"\xa0",
    aad: bytes = b"",
) -> bytes:
    """An envelope whose signature is right for these bytes."""
    signature = CODER.sign(sig_structure(header, payload, aad))
    return envelope(header, unprotected, payload, signature)


def four_parts(*parts: bytes, tag: bytes = b"\xd2") -> bytes:
    return tag + b"\x84" + b"".join(parts)


GOOD: Final = signed()
SIGNATURE: Final = GOOD[-64:]
STRUCTURE: Final = sig_structure(HEADER, PAYLOAD)
PARTS: Final = (byte_string(HEADER), b"\xa0", byte_string(PAYLOAD), byte_string(SIGNATURE))


def nested(payload_item: bytes) -> bytes:
    """A code whose colour is *payload_item*."""
    return signed(b"\xa3" + M1 + M2 + h("3A00010000") + payload_item)


def with_exp(item: bytes) -> bytes:
    return signed(b"\xa3\x04" + item + M2 + M3)


def paper(exp: int = NOW + 3 * DAY_S, cti: Cti | None = None, *, by: str = "610000 code") -> str:
    claims = Claims(exp, cti or Cti(1, 4711), Colour.GREEN)
    return text_of(sign_code(claims, signer(by)))


def outcome_is(name: str, about: str, text: Text | bytes, reason: Reason) -> Vector:
    shown = text_of(text) if isinstance(text, bytes) else text
    return Vector(name, about, shown, reason.kind.value, reason.value)


def malformed(name: str, about: str, text: Text | bytes) -> Vector:
    return outcome_is(name, about, text, Reason.MALFORMED)


def phone_code_for(holder_key: bytes) -> bytes:
    """What no issuer of ours would sign: a code for a key that was not looked at."""
    exp = h("041A") + (NOW + HOUR_S).to_bytes(4, "big")
    payload = b"\xa4" + exp + M2 + h("08A101A301012006215820") + holder_key + M3
    return signed(payload)


def raw_presentation(
    code: bytes, by: SeedSigner, *, kid: bytes | None = None, time: int = NOW
) -> bytes:
    header = protected(by.kid if kid is None else kid)
    payload = b"\x82\x1a" + time.to_bytes(4, "big") + byte_string(code)
    return envelope(header, b"\xa0", payload, by.sign(sig_structure(header, payload)))
