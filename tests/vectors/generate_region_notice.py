"""Writes tests/vectors/region-notice/: envelopes with one defect each, and what must come of them.

    python -m tests.vectors.generate_region_notice

Keys come from fixed seeds, and so do the ephemeral keys of the boxes, so the files come out the
same each time; a test compares them. `world.json` has the regions' keys and the receiver's seed;
`expect` is "accepted" or a `Reason` of issuer/between/reason.py.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from nacl import bindings

from issuer.between.envelope import MAX_BYTES, NOTICE_TYP, STEP
from issuer.between.message import Head, Message, Told, encode_payload
from keys import cbor
from keys.cose import sign_sign1
from keys.lifecycle import Purpose
from keys.signer import SeedSigner
from keys.trustlist import ListedKey, TrustList
from tests.issuing_support import DAY_S, NOW
from tests.regions_support import (
    HEILONGJIANG,
    SHAANXI,
    TRAVELLER,
    contact_of,
    region_signer,
    seed_of,
    two_region_trust,
)

__all__ = ["FOLDER", "Vector", "files", "trust", "vectors"]

FOLDER: Final = Path(__file__).parent / "region-notice"
SENDER: Final = region_signer(HEILONGJIANG, Purpose.EVIDENCE)
RECEIVER: Final = region_signer(SHAANXI, Purpose.RECEIVING)
OURS: Final = region_signer(SHAANXI, Purpose.EVIDENCE)
RETIRED: Final = SeedSigner(b"\x71" * 32)
ID: Final = bytes(range(16))
HEAD: Final = Head(HEILONGJIANG, SHAANXI, RECEIVER.kid, ID, 1, NOW)
GOOD: Final = encode_payload(Message(HEAD, Told(TRAVELLER, (contact_of(1),))))


@dataclass(frozen=True, slots=True)
class Vector:
    """One file."""

    name: str
    about: str
    notice: bytes
    expect: str
    now: int = NOW

    def as_json(self) -> str:
        content = {
            "about": self.about,
            "now": self.now,
            "notice": base64.b64encode(self.notice).decode(),
            "expect": self.expect,
        }
        return json.dumps(content, indent=1) + "\n"


def trust() -> TrustList:
    """The trust list of the tests, and a key of the sender whose time is over."""
    base = two_region_trust()
    over = ListedKey(RETIRED.public_key, Purpose.EVIDENCE, NOW - 20 * DAY_S, NOW - DAY_S)
    issuers = tuple(
        replace(issuer, keys=(*issuer.keys, over)) if issuer.region == HEILONGJIANG else issuer
        for issuer in base.issuers
    )
    return replace(base, issuers=issuers)


def sealed_for(receiver: SeedSigner, data: bytes, name: str) -> bytes:
    """`crypto_box_seal` with an ephemeral key that *name* determines."""
    public, secret = bindings.crypto_box_seed_keypair(hashlib.sha256(name.encode()).digest())
    to = bindings.crypto_sign_ed25519_pk_to_curve25519(receiver.public_key)
    nonce = hashlib.blake2b(public + to, digest_size=24).digest()
    box: bytes = bindings.crypto_box(data, nonce, to, secret)
    return public + box


def padded(data: bytes, steps: int | None = None) -> bytes:
    """ISO/IEC 7816-4 padding to a step; *steps*: to so many of them."""
    size = (len(data) // STEP + 1 if steps is None else steps) * STEP
    return data + b"\x80" + bytes(size - len(data) - 1)


def signed(payload: bytes, signer: SeedSigner = SENDER, typ: str = NOTICE_TYP) -> bytes:
    return sign_sign1(payload, signer, typ=typ)


def envelope(inside: bytes, name: str, *, receiver: SeedSigner = RECEIVER, **changed: Any) -> bytes:  # noqa: ANN401 - members
    """An envelope around a padded inside, with members changed by name."""
    members: dict[int, object] = {
        1: HEILONGJIANG, 2: SHAANXI, 3: ID, 4: sealed_for(receiver, inside, name),
    }  # fmt: skip
    return cbor.encode({**members, **{int(key[1:]): value for key, value in changed.items()}})


def with_content(content: object, kind: int = 1) -> bytes:
    """A good payload, with another content."""
    value = cbor.decode(GOOD, max_bytes=len(GOOD))
    assert isinstance(value, dict)
    return cbor.encode({**value, 7: kind, 8: content})


def with_member(key: int, value: object) -> bytes:
    decoded = cbor.decode(GOOD, max_bytes=len(GOOD))
    assert isinstance(decoded, dict)
    return cbor.encode({**decoded, key: value})


PERSON: Final = ["王秀兰", "+8613800138000", "11010519491231002X"]
RECORD: Final = [(1).to_bytes(16, "big"), "contact", NOW - DAY_S, None, "", "confirmed"]


def vectors() -> Iterator[Vector]:
    """All files."""
    yield from _outside()
    yield from _box()
    yield from _signature()
    yield from _content()


def _outside() -> Iterator[Vector]:
    good = envelope(padded(signed(GOOD)), "good")
    yield Vector("good", "A contact of a traveller, told to Shaanxi.", good, "accepted")
    cases = {
        "empty": (b"", "malformed"),
        "cut": (good[:-1], "malformed"),
        "trailing-byte": (good + b"\0", "malformed"),
        "not-cbor": (b"\xff" * 64, "malformed"),
        "member-missing": (cbor.encode({1: HEILONGJIANG, 2: SHAANXI, 3: ID}), "malformed"),
        "member-unknown": (envelope(padded(signed(GOOD)), "unknown", _5=0), "malformed"),
        "id-15-bytes": (envelope(padded(signed(GOOD)), "id", _3=ID[:15]), "malformed"),
        "sealed-no-step": (envelope(padded(signed(GOOD)) + b"\0", "no step"), "malformed"),
        "sealed-five-steps": (envelope(padded(b"", 5), "five"), "too-large"),
        "too-large": (good + bytes(MAX_BYTES), "too-large"),
        "receiver-other": (envelope(padded(signed(GOOD)), "to", _2="330000"), "wrong-receiver"),
        "sender-unknown": (envelope(padded(signed(GOOD)), "from", _1="330000"), "unknown-sender"),
        "sender-ourselves": (envelope(padded(signed(GOOD)), "we", _1=SHAANXI), "unknown-sender"),
    }
    for name, (data, expect) in cases.items():
        yield Vector(name, f"The outside: {name.replace('-', ' ')}.", data, expect)


def _box() -> Iterator[Vector]:
    inside = padded(signed(GOOD))
    good = envelope(inside, "good")
    flipped = good[:-1] + bytes((good[-1] ^ 1,))
    yield Vector("bit-flipped", "The last bit of the box.", flipped, "unsealable")
    other = region_signer(HEILONGJIANG, Purpose.RECEIVING)
    data = envelope(inside, "other", receiver=other)
    yield Vector("sealed-for-another", "Only another region's key opens it.", data, "unsealable")
    none = envelope(bytes(STEP), "zeros")
    yield Vector("padding-none", "Zeros without the byte where padding begins.", none, "padding")
    longer = envelope(padded(signed(GOOD), 2), "longer")
    yield Vector("padding-a-step-too-long", "One message has one size.", longer, "padding")
    loose = envelope(padded(b"hello"), "hello")
    yield Vector("not-signed", "Something else in the box.", loose, "not-signed")
    typ = "application/celadon-evidence+cbor"
    typed = envelope(padded(signed(GOOD, typ=typ)), "typ")
    yield Vector("other-typ", "Signed as another type of thing.", typed, "not-signed")
    trailing = envelope(padded(signed(GOOD) + b"\0"), "trailing")
    yield Vector("trailing-in-box", "A byte behind the signed part.", trailing, "not-signed")


def _signature() -> Iterator[Vector]:
    def by(signer: SeedSigner, name: str) -> bytes:
        return envelope(padded(signed(GOOD, signer)), name)

    cases = {
        "key-of-nobody": (by(SeedSigner(b"\x72" * 32), "nobody"), "unknown-key"),
        "key-of-another-region": (by(OURS, "we"), "unknown-key"),
        "purpose-code": (by(region_signer(HEILONGJIANG, Purpose.CODE), "code"), "wrong-purpose"),
        "purpose-receiving": (
            by(region_signer(HEILONGJIANG, Purpose.RECEIVING), "receiving"), "wrong-purpose",
        ),
        "key-retired": (by(RETIRED, "retired"), "key-not-in-force"),
        "signature-wrong": (
            envelope(padded(signed(GOOD)[:-1] + bytes((signed(GOOD)[-1] ^ 1,))), "signature"),
            "bad-signature",
        ),
        "forwarded-to-another-region": (
            envelope(padded(signed(with_member(2, "330000"))), "region"), "forwarded",
        ),
        "forwarded-to-another-key": (
            envelope(padded(signed(with_member(3, SENDER.kid))), "kid"), "forwarded",
        ),
        "sender-inside-other": (
            envelope(padded(signed(with_member(1, SHAANXI))), "sender"), "forwarded",
        ),
        "id-inside-other": (envelope(padded(signed(GOOD)), "other id", _3=bytes(16)), "forwarded"),
    }  # fmt: skip
    for name, (data, expect) in cases.items():
        yield Vector(name, f"Who signed what: {name.replace('-', ' ')}.", data, expect)
    good = envelope(padded(signed(GOOD)), "good")
    yield Vector("clock-300-behind", "Sent 300 s ahead.", good, "accepted", NOW - 300)
    yield Vector("from-the-future", "Sent 301 s ahead.", good, "wrong-time", NOW - 301)
    yield Vector("thirty-days", "Sent 30 days ago.", good, "accepted", NOW + 30 * DAY_S)
    yield Vector("too-old", "Sent more than 30 days ago.", good, "wrong-time", NOW + 30 * DAY_S + 1)


def _content() -> Iterator[Vector]:
    ids = [bytes((n,)) * 16 for n in range(33)]
    appeal = [ID, NOW + DAY_S, "not-me", ids[:1]]
    good = {
        "withdrawn": with_content(ids[:32], 2),
        "appeal-deadline-at-once": with_content([ID, NOW, "not-me", ids[:1]], 3),
        "appeal": with_content(appeal, 3),
        "answer-upheld": with_content([ID, [RECORD]], 4),
        "answer-corrected": with_content([ID, []], 4),
        "number-only": with_content([["王秀兰", None, PERSON[2]], [RECORD]]),
    }
    for name, payload in good.items():
        data = envelope(padded(signed(payload)), name)
        yield Vector(f"good-{name}", f"A good one: {name.replace('-', ' ')}.", data, "accepted")
    wrong = {
        "kind-unknown": with_content([ID], 5),
        "kind-true": with_member(7, value=True),
        "number-0": with_member(5, 0),
        "number-true": with_member(5, value=True),
        "number-2-40": with_member(5, 2**40),
        "issued-at-1999": with_member(6, 946_684_799),
        "member-inside-unknown": with_member(9, 0),
        "person-without-both": with_content([["王秀兰", None, None], [RECORD]]),
        "person-unprintable": with_content([["王\u202e秀兰", PERSON[1], None], [RECORD]]),
        "person-zero-width": with_content([["王\u200b秀兰", PERSON[1], None], [RECORD]]),
        "person-empty-name": with_content([["", PERSON[1], None], [RECORD]]),
        "person-name-nfd": with_content([["Nguye\u0302\u0303n", PERSON[1], None], [RECORD]]),
        "person-name-101": with_content([["王" * 101, PERSON[1], None], [RECORD]]),
        "person-phone-local": with_content([["王秀兰", "13800138000", None], [RECORD]]),
        "person-check-digit": with_content([["王秀兰", None, "110105194912310021"], [RECORD]]),
        "records-none": with_content([PERSON, []]),
        "records-33": with_content([PERSON, [[one, *RECORD[1:]] for one in ids]]),
        "record-twice": with_content([PERSON, [RECORD, RECORD]]),
        "record-kind-unknown": with_content([PERSON, [[ID, "score", NOW, None, "", "7"]]]),
        "record-with-a-place": with_content([PERSON, [[*RECORD[:4], "610102", "confirmed"]]]),
        "record-with-an-origin": with_content([PERSON, [[*RECORD, "00000000", "330000", NOW]]]),
        "ids-none": with_content([], 2),
        "ids-33": with_content(ids, 2),
        "ids-twice": with_content([ids[0], ids[0]], 2),
        "ids-short": with_content([ids[0][:15]], 2),
        "appeal-ground-unknown": with_content([ID, NOW + DAY_S, "because", ids[:1]], 3),
        "appeal-deadline-before": with_content([ID, NOW - 1, "not-me", ids[:1]], 3),
        "answer-id-short": with_content([ID[:15], []], 4),
        "payload-trailing-byte": GOOD + b"\0",
    }  # fmt: skip
    for name, payload in wrong.items():
        data = envelope(padded(signed(payload)), name)
        yield Vector(name, f"What is said: {name.replace('-', ' ')}.", data, "content")
    both = envelope(padded(signed(with_member(5, 0))), "both", _3=bytes(16))
    about = "What is said is looked at before whom it is for, and when."
    yield Vector("content-and-forwarded", about, both, "content", NOW + 31 * DAY_S)


def world() -> str:
    """Who signs and receives, for a reader that is not ours."""
    content = {
        "about": "Regions, their listed keys, and the seed of the receiver's receiving key.",
        "receiver": SHAANXI,
        "receiving_seed": seed_of(SHAANXI).hex(),
        "issuers": {
            issuer.region: [
                {
                    "public_key": key.public_key.hex(),
                    "purpose": key.purpose.value,
                    "not_before": key.not_before,
                    "not_after": key.not_after,
                }
                for key in issuer.keys
            ]
            for issuer in trust().issuers
        },
    }
    return json.dumps(content, indent=1) + "\n"


def files() -> dict[str, str]:
    """All files of the folder by name."""
    made = {f"{vector.name}.json": vector.as_json() for vector in vectors()}
    return {"world.json": world(), **made}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    made = files()
    for stale in FOLDER.glob("*.json"):
        if stale.name not in made:
            stale.unlink()
    for name, content in made.items():
        (FOLDER / name).write_text(content)
    print(f"{len(made) - 1} vectors in {FOLDER}")


if __name__ == "__main__":
    main()
