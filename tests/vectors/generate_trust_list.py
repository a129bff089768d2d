"""Writes tests/vectors/trust-list/: one list in each folder, with one defect or none.

    python -m tests.vectors.generate_trust_list

Every key comes from a fixed seed, so the files come out the same each time; a test compares them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import cbor2
from nacl import bindings

from keys import cbor
from keys.cose import sign_sign1
from keys.kid import kid
from keys.purpose import Environment, Purpose
from keys.signer import SeedSigner
from keys.trustenvelope import Signature, encode_envelope, sign_payload, signed_bytes
from keys.trustlist import (
    Ending,
    ListedIssuer,
    ListedKey,
    PinnedPolicy,
    Roots,
    TrustList,
    encode_roots,
    encode_trust_list,
    sign_trust_list,
)
from keys.trustupdate import MAX_SKEW_S, MAX_STEP
from tests.vectors.cases import Case, files, replace_folder

__all__ = ["ASKS_ROOTS_ABOUT_HELD", "Vector", "cases", "vectors"]

#: Accepted by a verifier, who verified the list held when it came. Commands that are given a list
#: and roots ask these roots about the list held as well, and refuse it.
ASKS_ROOTS_ABOUT_HELD: Final = "rotation-roots-by-hand-of-the-epoch-held"
NOW: Final = 1_607_792_400  # 13 December 2020, 01:00 in China
ISSUED: Final = NOW - 3_600
DAY: Final = 86_400
L: Final = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1

ROOT_SIGNERS: Final = tuple(SeedSigner(bytes([0xA0 + i]) * 32) for i in range(5))
NEXT_SIGNERS: Final = tuple(SeedSigner(bytes([0xB0 + i]) * 32) for i in range(5))
ISSUER_SIGNERS: Final = tuple(SeedSigner(bytes([0xC0 + i]) * 32) for i in range(8))
STRANGER: Final = SeedSigner(b"\xee" * 32)
#: Two keys with the same kid, found by trying numbers as seeds.
TWINS: Final = tuple(SeedSigner(number.to_bytes(32)) for number in (80_426, 94_589))

ROOTS: Final = Roots(1, 3, tuple(s.public_key for s in ROOT_SIGNERS), Environment.PRODUCTION)
#: Root 0 leaves, a new one comes.
NEXT_ROOTS: Final = Roots(
    2,
    3,
    (*(s.public_key for s in ROOT_SIGNERS[1:]), NEXT_SIGNERS[0].public_key),
    Environment.PRODUCTION,
)
ALL_NEW_ROOTS: Final = Roots(
    2, 3, tuple(s.public_key for s in NEXT_SIGNERS), Environment.PRODUCTION
)


@dataclass(frozen=True, slots=True)
class Vector:
    """One case."""

    name: str
    about: str
    data: bytes
    expect: str
    held: bytes | None = None
    roots: Roots = ROOTS
    now: int = NOW
    step: int | None = None

    def case(self) -> Case:
        """Its folder."""
        before = {} if self.held is None else {"held.cbor": self.held}
        stays = "list.cbor" if self.expect == "accepted" else next(iter(before), None)
        return Case(
            "trust-list",
            self.name,
            self.about,
            {"result": self.expect, "holds": stays},
            {"roots.cbor": encode_roots(self.roots), "list.cbor": self.data, **before},
            {"now": self.now},
            self.step,
        )


def _key(signer: SeedSigner, purpose: Purpose) -> ListedKey:
    return ListedKey(signer.public_key, purpose, ISSUED - DAY, ISSUED + 30 * DAY)


SHAANXI: Final = ListedIssuer(
    region="610000",
    name_zh="陕西省",
    name_en="Shaanxi",
    status_base="https://shaanxi.example/status/",
    first_list=1_000,
    last_list=1_999,
    contact="+86 29 0000 0000",
    keys=(_key(ISSUER_SIGNERS[0], Purpose.CODE), _key(ISSUER_SIGNERS[1], Purpose.STATUS)),
)
HEILONGJIANG: Final = replace(
    SHAANXI,
    region="230000",
    name_zh="黑龙江省",
    name_en="Heilongjiang",
    status_base="https://heilongjiang.example/status/",
    first_list=2_000,
    last_list=2_999,
    keys=(_key(ISSUER_SIGNERS[2], Purpose.CODE), _key(ISSUER_SIGNERS[3], Purpose.STATUS)),
)
#: The notice says that both cities end their code in favour of the province's, and names no day:
#: Yan'an's has ended, and its codes count for some days more; Ankang's end is announced.
YANAN: Final = replace(
    SHAANXI,
    region="610600",
    name_zh="延安市",
    name_en="Yan'an",
    status_base="https://yanan.example/status/",
    first_list=4_000,
    last_list=4_009,
    ending=Ending("610000", ISSUED - DAY, ISSUED + 7 * DAY),
    keys=(
        replace(_key(ISSUER_SIGNERS[4], Purpose.CODE), not_after=ISSUED + 7 * DAY),
        _key(ISSUER_SIGNERS[5], Purpose.STATUS),
    ),
)
ANKANG: Final = replace(
    SHAANXI,
    region="610900",
    name_zh="安康市",
    name_en="Ankang",
    status_base="https://ankang.example/status/",
    first_list=4_010,
    last_list=4_019,
    ending=Ending("610000", ISSUED + 7 * DAY, ISSUED + 15 * DAY),
    keys=(
        replace(_key(ISSUER_SIGNERS[6], Purpose.CODE), not_after=ISSUED + 15 * DAY),
        _key(ISSUER_SIGNERS[7], Purpose.RECEIVING),
    ),
)
POLICIES: Final = (
    PinnedPolicy("risk-table", 3, sha256(b"a signed risk table").digest()),
    PinnedPolicy("shaanxi-2020-12", 1, sha256(b"a signed rule set").digest()),
)
LIST: Final = TrustList(
    version=7,
    issued_at=ISSUED,
    next_update=ISSUED + DAY,
    not_after=ISSUED + 14 * DAY,
    roots=ROOTS,
    issuers=(SHAANXI, HEILONGJIANG, YANAN, ANKANG),
    policies=POLICIES,
    withdrawn=frozenset({bytes.fromhex("00000001"), bytes.fromhex("00000002")}),
)
OLDER: Final = replace(LIST, version=6, issued_at=ISSUED - DAY)


def signed(trust: TrustList, signers: tuple[SeedSigner, ...] = ROOT_SIGNERS[:3]) -> bytes:
    return sign_trust_list(encode_trust_list(trust), signers)


GOOD: Final = signed(LIST)
HELD: Final = signed(OLDER)
PAYLOAD: Final = encode_trust_list(LIST)


def changed(change: Callable[[dict[Any, Any]], object]) -> bytes:
    """The list with its decoded payload changed by hand, and signed well."""
    members: Any = cbor.decode(PAYLOAD, max_bytes=1 << 20)
    change(members)
    return sign_trust_list(cbor.encode(members), ROOT_SIGNERS[:3])


def with_key(public_key: bytes) -> bytes:
    """The list with another public key in the place of its first one, and all in their order."""

    def change(members: dict[Any, Any]) -> None:
        keys = members[6][0][8]
        keys[0][0] = public_key
        keys.sort()

    return changed(change)


def envelope(change: Callable[[list[Any]], object], head: str = "d862") -> bytes:
    """The list with its decoded envelope changed by hand."""
    parts: Any = cbor.decode(GOOD[2:], max_bytes=1 << 20)
    change(parts)
    return bytes.fromhex(head) + cbor2.dumps(parts)


def vectors() -> Iterator[Vector]:
    """All of them, in the order of docs/spec/trust-list.md."""
    yield from _accepted()
    yield from _at_limits()
    yield from _at_step(1, _envelopes())
    yield from _at_step(2, _signatures())
    yield from _at_step(3, _payloads())
    yield from _at_step(3, _keys())
    yield from _at_step(3, _ending_shapes())
    yield from _at_step(3, _policy_shapes())
    yield from _at_step(6, _successions())
    yield from _at_step(8, _kept())
    yield from _at_step(5, _rotations())


#: Errors that one step alone can give, and names of lists for which another errs than their group.
_STEP_OF_ERROR: Final = {
    "TrustListEnvironmentError": 4,
    "TrustListEpochError": 5,
    "TrustListWithdrawalError": 8,
    "TrustListStepError": 7,
    "TrustListClockError": 9,
    "TrustListExpiredError": 9,
}
_STEP_OF_NAME: Final = {
    "signature-one-twice": 1,
    "signature-fourth-by-a-stranger": 5,
    "rotation-without-old-quorum": 2,
    "rotation-removed-root-counts-no-more": 2,
}


def _at_step(step: int, made: Iterator[Vector]) -> Iterator[Vector]:
    """Those that are refused, with the step that does it: *step* or another that is known."""
    for vector in made:
        known = _STEP_OF_NAME.get(vector.name, _STEP_OF_ERROR.get(vector.expect, step))
        yield vector if vector.expect == "accepted" else replace(vector, step=known)


def _accepted() -> Iterator[Vector]:
    ok = "accepted"
    yield Vector("good-first", "The first list that a verifier sees.", GOOD, ok)
    yield Vector("good-next", "The version after the one held.", GOOD, ok, HELD)
    yield Vector("good-again", "The list that is held already.", GOOD, ok, GOOD)
    yield Vector(
        "good-again-other-signers",
        "The list held, signed by other roots: the same content, so no contradiction.",
        signed(LIST, ROOT_SIGNERS[2:]),
        ok,
        GOOD,
    )
    yield Vector(
        "good-more-signers",
        "Five signatures where three are enough.",
        signed(LIST, ROOT_SIGNERS),
        ok,
    )
    yield Vector(
        "good-longest-step",
        "As many versions ahead as may be missed.",
        signed(replace(LIST, version=6 + MAX_STEP)),
        ok,
        HELD,
    )
    yield Vector(
        "good-last-second", "The last second of its life.", GOOD, ok, now=LIST.not_after - 1
    )
    yield Vector(
        "good-clock-behind",
        "This clock is as far behind the issue as may be.",
        GOOD,
        ok,
        now=ISSUED - MAX_SKEW_S,
    )
    test = replace(ROOTS, environment=Environment.TEST)
    local = replace(SHAANXI, status_base="http://127.0.0.1:8080/status/")
    yield Vector(
        "good-test-at-home",
        "A test list, for a test verifier, may name this very machine.",
        signed(replace(LIST, roots=test, issuers=(local,))),
        ok,
        roots=test,
    )


def _at_limits() -> Iterator[Vector]:
    """As much of everything as may be, or as little."""
    ok = "accepted"
    many = tuple(SeedSigner(bytes([0x40 + i]) * 32) for i in range(16))
    sixteen = replace(ROOTS, keys=tuple(signer.public_key for signer in many))
    data = signed(replace(LIST, roots=sixteen), many[:3])
    yield Vector("good-16-roots", "As many roots as may be.", data, ok, roots=sixteen)
    everybody = replace(ROOTS, threshold=5)
    data = signed(replace(LIST, roots=everybody), ROOT_SIGNERS)
    yield Vector("good-threshold-5-of-5", "All of them must sign.", data, ok, roots=everybody)
    pins = tuple(PinnedPolicy(f"a{i:03}", 1, bytes(32)) for i in range(256))
    data = signed(replace(LIST, policies=pins))
    yield Vector("good-256-policies", "As many policies as may be.", data, ok)
    long_name = (PinnedPolicy("a" * 128, 1, bytes(32)),)
    data = signed(replace(LIST, policies=long_name))
    yield Vector("good-policy-name-128", "A policy's longest name.", data, ok)
    issuers: dict[str, tuple[str, ListedIssuer]] = {
        "text-128": (
            "128 characters that UTF-16 writes as two each.",
            replace(SHAANXI, name_zh="\U00020000" * 128),
        ),
        "text-of-one": ("The shortest text.", replace(SHAANXI, contact="1")),
        "text-newer-than-unicode-14": (
            "A Han character of Unicode 15, and one that no version has yet.",
            replace(SHAANXI, name_zh="\U00031350\u0378"),
        ),
        "first-number": ("One list, the first.", replace(SHAANXI, first_list=0, last_list=0)),
        "last-number": (
            "One list, the last of 20 bits.",
            replace(SHAANXI, first_list=2**20 - 1, last_list=2**20 - 1),
        ),
        "window-of-one": (
            "One second in 1970.",
            replace(SHAANXI, keys=(replace(SHAANXI.keys[0], not_before=0, not_after=1),)),
        ),
    }
    for name, (about, issuer) in issuers.items():
        data = signed(replace(LIST, issuers=(issuer, HEILONGJIANG)))
        yield Vector(f"good-{name}", about, data, ok)
    times = replace(LIST, next_update=ISSUED + 1, not_after=ISSUED + 3_601)
    yield Vector("good-until-next-update", "Its times are one.", signed(times), ok, now=ISSUED)
    times = replace(LIST, next_update=LIST.not_after)
    yield Vector("good-no-time-left", "It ends at its next update.", signed(times), ok)
    at_once = replace(YANAN, ending=Ending("610000", ISSUED, ISSUED), keys=())
    data = signed(replace(LIST, issuers=(SHAANXI, at_once)))
    yield Vector("good-ending-without-grace", "Its grace is over as it ends.", data, ok)
    roots_dead = replace(LIST, withdrawn=frozenset({kid(ROOT_SIGNERS[4].public_key)}))
    about = "The kid of a root among the withdrawn: a root goes with an epoch, not so."
    yield Vector("good-withdrawn-root", about, signed(roots_dead), ok)


def _envelopes() -> Iterator[Vector]:
    form = "TrustListFormatError"
    other = "TrustListTypeError"
    typ = "application/statuslist+cwt"
    one = ROOT_SIGNERS[0]
    header = {1: -8, 4: one.kid}
    entry = 0  # the first signature's place
    defects: dict[str, tuple[str, bytes, str]] = {
        "empty": ("No bytes.", b"", form),
        "trailing-byte": ("C14: one byte more.", GOOD + b"\0", form),
        "two-lists": ("C15: two lists, one behind the other.", GOOD + GOOD, form),
        "half": ("Only the first half arrived.", GOOD[: len(GOOD) // 2], form),
        "indefinite-array": ("C18: indefinite length.", b"\xd8\x62\x9f" + GOOD[3:] + b"\xff", form),
        "untagged": ("C41: no tag.", GOOD[2:], form),
        "tag-mac": ("C41: the tag of COSE_Mac.", b"\xd8\x61" + GOOD[2:], form),
        "tag-long": ("The tag is not in its shortest form.", b"\xd9\x00\x62" + GOOD[2:], form),
        "sign1": ("C46: the payload with one signer.", sign_sign1(PAYLOAD, one, typ=None), other),
        "sign1-status-list": ("C46: a status list.", sign_sign1(b"", one, typ=typ), other),
        "typ-of-a-status-list": (
            "C46: another type in the body's header.",
            envelope(lambda p: p.__setitem__(0, cbor.encode({16: typ}))),
            other,
        ),
        "typ-missing": ("No type.", envelope(lambda p: p.__setitem__(0, b"")), other),
        "typ-and-more": (
            "Something beside the type.",
            envelope(lambda p: p.__setitem__(0, cbor.encode({3: 0, 16: "x"}))),
            other,
        ),
        "body-unprotected": (
            "The body has an unprotected header.",
            envelope(lambda p: p.__setitem__(1, {4: one.kid})),
            form,
        ),
        "five-parts": ("C40: something behind the signers.", envelope(lambda p: p.append(0)), form),
        "signer-unprotected": (
            "C38: a signer's kid a second time, unprotected.",
            envelope(lambda p: p[3][entry].__setitem__(1, {4: one.kid})),
            form,
        ),
        "signer-four-parts": (
            "Something behind a signature.",
            envelope(lambda p: p[3][entry].append(0)),
            form,
        ),
        "detached-payload": (
            "C40: the payload is elsewhere.",
            envelope(lambda p: p.__setitem__(2, None)),
            form,
        ),
        "signer-kid-unprotected": (
            "C38: a signer's kid is unprotected.",
            envelope(lambda p: p[3].__setitem__(entry, [b"\xa1\x01\x27", {4: one.kid}, bytes(64)])),
            form,
        ),
        "signer-alg-es256": (
            "C36: another algorithm.",
            envelope(lambda p: p[3][entry].__setitem__(0, cbor.encode({**header, 1: -7}))),
            form,
        ),
        "signer-crit": (
            "C39: a critical header.",
            envelope(lambda p: p[3][entry].__setitem__(0, cbor.encode({**header, 2: [4]}))),
            form,
        ),
        "signature-63": (
            "C42: a signature of 63 bytes.",
            envelope(lambda p: p[3][entry].__setitem__(2, bytes(63))),
            form,
        ),
        "signers-33": (
            "More signatures than anyone has roots.",
            envelope(lambda p: p[3].extend(p[3][:1] * 30)),
            form,
        ),
        "signers-descending": (
            "The signers are not in their order.",
            envelope(lambda p: p[3].reverse()),
            "TrustListSignerError",
        ),
    }
    for name, (about, data, expect) in defects.items():
        yield Vector(f"envelope-{name}", about, data, expect)


def _signatures() -> Iterator[Vector]:
    a, b, c = (sign_payload(PAYLOAD, signer) for signer in ROOT_SIGNERS[:3])
    s = int.from_bytes(c.value[32:], "little")
    _, secret = bindings.crypto_sign_seed_keypair(b"\xa2" * 32)
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, signed_bytes(c.kid, PAYLOAD))
    prehashed = bindings.crypto_sign_ed25519ph_final_create(state, secret)
    other = sign_payload(encode_trust_list(OLDER), ROOT_SIGNERS[2])
    bad = "TrustListSignatureError"
    signer = "TrustListSignerError"
    quorum = "TrustListQuorumError"
    stranger = sign_payload(PAYLOAD, STRANGER)
    defects: dict[str, tuple[str, list[Signature], str]] = {
        "none": ("C74: nobody signed.", [], quorum),
        "two-of-three": ("C74: one signature short.", [a, b], quorum),
        "one-twice": ("C74: one root signed twice, which makes three.", [a, b, b], signer),
        "third-by-a-stranger": ("C74: the third is not a root.", [a, b, stranger], quorum),
        "fourth-by-a-stranger": ("Three roots and a stranger.", [a, b, c, stranger], signer),
        "of-another-list": ("The third signed another version.", [a, b, other], bad),
        "under-another-kid": (
            "A root's signature under another root's name.",
            [a, b, Signature(c.kid, b.value)],
            bad,
        ),
        "zero": ("C53: 64 zeros.", [a, b, Signature(c.kid, bytes(64))], bad),
        "prehashed": ("C54: signed by the ph variant.", [a, b, Signature(c.kid, prehashed)], bad),
        "fourth-wrong": (
            "Three good signatures and one that does not verify.",
            [a, b, c, Signature(ROOT_SIGNERS[3].kid, c.value)],
            bad,
        ),
    }
    for factor in (1, 2, 8):
        high = c.value[:32] + (s + factor * L).to_bytes(32, "little")
        about = f"C49: S has {factor} times the group's order more."
        defects[f"s-plus-{factor}l"] = (about, [a, b, Signature(c.kid, high)], bad)
    for name, (about, signatures, expect) in defects.items():
        yield Vector(f"signature-{name}", about, encode_envelope(PAYLOAD, signatures), expect)


def _payloads() -> Iterator[Vector]:
    form = "TrustListFormatError"
    area = "TrustListRangeError"
    place = "TrustListEnvironmentError"
    members: Any = cbor.decode(PAYLOAD, max_bytes=1 << 20)
    unsorted = cbor2.dumps(dict(reversed(members.items())))
    raw: dict[str, tuple[str, bytes]] = {
        "trailing-byte": ("C14: one byte more.", PAYLOAD + b"\0"),
        "duplicate-member": ("C16: the version twice.", b"\xa9\x01\x07" + PAYLOAD[1:]),
        "long-integer": ("C19: the version takes two bytes.", b"\xa8\x01\x18\x07" + PAYLOAD[3:]),
        "float-version": ("C29: 7.0.", b"\xa8\x01\xf9\x47\x00" + PAYLOAD[3:]),
        "version-2-63": (
            "C76: a version beyond 53 bits.",
            b"\xa8\x01\x1b" + (2**63 - 1).to_bytes(8) + PAYLOAD[3:],
        ),
        "unsorted": ("C20: not in order.", unsorted),
        "not-a-map": ("An array.", b"\x88" + PAYLOAD[1:]),
    }
    for name, (about, payload) in raw.items():
        data = sign_trust_list(payload, ROOT_SIGNERS[:3])
        yield Vector(f"payload-{name}", about, data, form)
    defects: dict[str, tuple[str, Callable[[dict[Any, Any]], object], str]] = {
        "unknown-member": (
            "A member that the format does not have.",
            lambda m: m.update({10: 0}),
            form,
        ),
        "missing-member": ("No end.", lambda m: m.pop(4), form),
        "empty-former-roots": ("An empty optional member.", lambda m: m.update({8: []}), form),
        "bool-version": ("C17: true for 1.", lambda m: m.update({1: True}), form),
        "version-0": ("Versions begin at 1.", lambda m: m.update({1: 0}), form),
        "ends-before-next-update": ("Times out of order.", lambda m: m.update({4: m[3] - 1}), form),
        "issuers-descending": ("Regions out of order.", lambda m: m[6].reverse(), form),
        "keys-descending": ("Keys out of order.", lambda m: m[6][0][8].reverse(), form),
        "roots-descending": ("Roots out of order.", lambda m: m[5][4].reverse(), form),
        "withdrawn-descending": ("Withdrawn out of order.", lambda m: m[7].reverse(), form),
        "withdrawn-twice": ("A kid twice.", lambda m: m[7].append(m[7][-1]), form),
        "withdrawn-of-5-bytes": ("Not a kid.", lambda m: m[7].append(b"\1\2\3\4\5"), form),
        "threshold-0": ("Nobody needs to sign.", lambda m: m[5].update({2: 0}), form),
        "threshold-6-of-5": ("Nobody can sign.", lambda m: m[5].update({2: 6}), form),
        "environment-unknown": ("A third environment.", lambda m: m[5].update({3: "demo"}), form),
        "region-5-digits": ("Not a region.", lambda m: m[6][0].update({1: "23000"}), form),
        "region-twice": ("One region, two issuers.", lambda m: m[6][1].update({1: "230000"}), form),
        "ends-at-once": ("It ends at its issue.", lambda m: m.update({3: m[2], 4: m[2]}), form),
        "next-update-at-issue": ("No time until then.", lambda m: m.update({3: m[2]}), form),
        "issued-before-1970": ("Below zero.", lambda m: m.update({2: -1}), form),
        "roots-unknown-member": ("More than four.", lambda m: m[5].update({5: 0}), form),
        "roots-without-threshold": ("Less than four.", lambda m: m[5].pop(2), form),
        "roots-none": ("No root.", lambda m: m[5].update({4: []}), form),
        "roots-17": (
            "A root too many.",
            lambda m: m[5].update(
                {4: sorted(SeedSigner(bytes([0x40 + i]) * 32).public_key for i in range(17))}
            ),
            form,
        ),
        "epoch-0": ("Epochs begin at 1.", lambda m: m[5].update({1: 0}), form),
        "issuer-unknown-member": ("More than nine.", lambda m: m[6][0].update({10: 0}), form),
        "issuer-without-contact": ("Less than eight.", lambda m: m[6][0].pop(7), form),
        "former-roots-descending": (
            "Former roots out of order.",
            lambda m: m.update({8: sorted((s.public_key for s in NEXT_SIGNERS[:2]), reverse=True)}),
            form,
        ),
        "name-empty": ("A text of nothing.", lambda m: m[6][0].update({3: ""}), form),
        "name-129": ("A character too many.", lambda m: m[6][0].update({3: "a" * 129}), form),
        "name-no-break-space": (
            "A blank that is not the plain one.",
            lambda m: m[6][0].update({3: "a\u00a0b"}),
            form,
        ),
        "name-private": (
            "A character of nobody.",
            lambda m: m[6][0].update({2: "\ue000"}),
            form,
        ),
        "name-wide-blank": (
            "A blank as wide as a Han character.",
            lambda m: m[6][0].update({2: "陕\u3000西"}),
            form,
        ),
        "name-soft-hyphen": (
            "A character that is not seen.",
            lambda m: m[6][0].update({3: "Shaan\u00adxi"}),
            form,
        ),
        "name-tag": (
            "A letter of the invisible alphabet.",
            lambda m: m[6][0].update({3: "Shaanxi\U000e0041"}),
            form,
        ),
        "region-fullwidth": (
            "Digits that int() takes.",
            lambda m: m[6][0].update({1: "\uff12\uff13\uff10\uff10\uff10\uff10"}),
            form,
        ),
        "name-with-newline": (
            "C121: a text breaks the line.",
            lambda m: m[6][0].update({3: "a\nb"}),
            form,
        ),
        "name-right-to-left": (
            "A text turns its direction.",
            lambda m: m[6][0].update({2: "\u202e省"}),
            form,
        ),
        "range-empty": (
            "The last list is before the first.",
            lambda m: m[6][0].update({6: 1_999}),
            area,
        ),
        "range-beyond-20-bits": (
            "A list number of 21 bits.",
            lambda m: m[6][0].update({6: 1 << 20}),
            area,
        ),
        "range-overlap": ("Two issuers own one list.", lambda m: m[6][0].update({5: 1_999}), area),
        "status-http": ("No https.", lambda m: m[6][0].update({4: "http://h.example/s/"}), place),
        "status-at-home": (
            "C47: a production list names this very machine.",
            lambda m: m[6][0].update({4: "http://127.0.0.1:8080/s/"}),
            place,
        ),
        "status-user": (
            "A user in the address.",
            lambda m: m[6][0].update({4: "https://a@b/"}),
            place,
        ),
        "status-dots": (
            "A path that climbs.",
            lambda m: m[6][0].update({4: "https://h.example/../"}),
            place,
        ),
        "environment-test": (
            "C47: a test list for a production verifier.",
            lambda m: m[5].update({3: "test"}),
            place,
        ),
    }
    for name, (about, change, expect) in defects.items():
        yield Vector(f"payload-{name}", about, changed(change), expect)
    test = replace(ROOTS, environment=Environment.TEST)
    for name, about, address in (
        ("test-http", "A test list, plain http to another machine.", "http://h.example/s/"),
        ("test-at-home-user", "A user in the address.", "http://a@localhost/"),
    ):

        def elsewhere(members: dict[Any, Any], address: str = address) -> None:
            members[5][3] = "test"
            members[6][0][4] = address

        yield Vector(f"payload-{name}", about, changed(elsewhere), place, roots=test)


def _keys() -> Iterator[Vector]:
    good = ISSUER_SIGNERS[0].public_key
    order_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")
    twins = sorted(signer.public_key for signer in TWINS)
    root = ROOT_SIGNERS[0].public_key
    dead = min(key.kid for key in HEILONGJIANG.keys)
    defects: dict[str, tuple[str, bytes]] = {
        "small-order": ("C50: a key of order 8.", with_key(order_8)),
        "mixed-order": (
            "C51: good, plus order 8.",
            with_key(bindings.crypto_core_ed25519_add(good, order_8)),
        ),
        "not-canonical": ("C52: y is p + 3.", with_key((2**255 - 16).to_bytes(32, "little"))),
        "zero": ("C53: 32 zeros.", with_key(bytes(32))),
        "31-bytes": ("A byte short.", with_key(good[:31])),
        "root-of-small-order": (
            "C50, for a root.",
            changed(lambda m: m[5].update({4: sorted([*m[5][4][1:], order_8])})),
        ),
        "root-31-bytes": (
            "A byte short, for a root.",
            changed(lambda m: m[5][4].__setitem__(0, m[5][4][0][:31])),
        ),
        "under-two-issuers": (
            "C78: one key, two issuers.",
            changed(lambda m: m[6][0].update({8: m[6][1][8]})),
        ),
        "twice": ("One key twice.", changed(lambda m: m[6][0].update({8: m[6][0][8][:1] * 2}))),
        "kid-shared": (
            "C44: two keys, one kid.",
            changed(
                lambda m: [k.__setitem__(0, t) for k, t in zip(m[6][0][8], twins, strict=True)]
            ),
        ),
        "root-as-issuer": ("A root signs codes too.", with_key(root)),
        "purpose-trust-root": (
            "A root hides among an issuer's keys.",
            changed(lambda m: m[6][0][8][0].__setitem__(1, "trust-root")),
        ),
        "window-empty": (
            "No second to be honoured in.",
            changed(lambda m: m[6][0][8][0].__setitem__(3, m[6][0][8][0][2])),
        ),
        "window-before-1970": (
            "It begins below zero.",
            changed(lambda m: m[6][0][8][0].__setitem__(2, -1)),
        ),
        "former-root-31-bytes": (
            "A former root, a byte short.",
            changed(lambda m: m.update({8: [NEXT_SIGNERS[0].public_key[:31]]})),
        ),
        "root-and-former-root": (
            "A root that is a former one too.",
            changed(lambda m: m.update({8: [root]})),
        ),
        "withdrawn-and-listed": (
            "Withdrawn for ever, and listed.",
            changed(lambda m: m.update({7: sorted([*m[7], dead])})),
        ),
    }
    for name, (about, data) in defects.items():
        yield Vector(f"key-{name}", about, data, "TrustListKeyError")
    form = "TrustListFormatError"
    unknown = changed(lambda m: m[6][0][8][0].__setitem__(1, "everything"))
    yield Vector("key-purpose-unknown", "A purpose that does not exist.", unknown, form)
    true = changed(lambda m: m[6][0].update({8: [[*m[6][0][8][0][:2], True, NOW]]}))
    yield Vector("key-window-bool", "True for a time.", true, form)
    five = changed(lambda m: m[6][0][8][0].append(0))
    yield Vector("key-five-parts", "Something beside the four parts.", five, form)


def _successions() -> Iterator[Vector]:
    yield Vector(
        "version-lower", "C71: older than the list held.", HELD, "TrustListRollbackError", GOOD
    )
    later = signed(replace(OLDER, version=5, issued_at=ISSUED))
    about = "C71: a lower version that was issued later."
    yield Vector("version-lower-issued-later", about, later, "TrustListRollbackError", HELD)
    yield Vector(
        "issued-before-held",
        "A higher version that was issued earlier.",
        signed(replace(LIST, version=8, issued_at=ISSUED - 1)),
        "TrustListRollbackError",
        GOOD,
    )
    yield Vector(
        "same-version-other-content",
        "C72: two lists of one version.",
        signed(replace(LIST, policies=POLICIES[:1])),
        "TrustListEquivocationError",
        GOOD,
    )
    ended = "TrustListExpiredError"
    at_end = LIST.not_after
    yield Vector("expired", "C73: the first second after its end.", GOOD, ended, now=at_end)
    yield Vector(
        "expired-held",
        "C73: the list held has ended, and nothing newer came.",
        GOOD,
        ended,
        GOOD,
        now=at_end,
    )
    yield Vector(
        "clock-behind",
        "C64: this clock is before the list's issue.",
        GOOD,
        "TrustListClockError",
        now=ISSUED - MAX_SKEW_S - 1,
    )
    yield Vector(
        "step-too-long",
        "C76: so far ahead that nothing could follow.",
        signed(replace(LIST, version=6 + MAX_STEP + 1)),
        "TrustListStepError",
        HELD,
    )
    yield Vector(
        "withdrawal-undone",
        "A withdrawn key is withdrawn no longer.",
        signed(replace(LIST, withdrawn=frozenset({bytes.fromhex("00000001")}))),
        "TrustListWithdrawalError",
        HELD,
    )
    yield Vector(
        "expired-and-older",
        "An older list is an alarm even when the clock would call it expired.",
        HELD,
        "TrustListRollbackError",
        GOOD,
        now=LIST.not_after,
    )


def with_ending(value: object) -> bytes:
    """The list with another ending of Yan'an."""
    return changed(lambda m: m[6][2].update({9: value}))


def with_policies(value: object) -> bytes:
    return changed(lambda m: m.update({9: value}))


def _ending_shapes() -> Iterator[Vector]:
    form = "TrustListFormatError"
    successor = "TrustListSuccessorError"
    yanan, ankang = 2, 3  # places among the issuers
    start, end = LIST.issued_at - DAY, LIST.issued_at + 7 * DAY
    code = next(i for i, key in enumerate(YANAN.keys) if key.purpose is Purpose.CODE)
    defects: dict[str, tuple[str, object, str]] = {
        "successor-unlisted": ("A successor that nobody knows.", ["620000", start, end], successor),
        "successor-itself": ("It follows itself.", ["610600", start, end], successor),
        "chain": ("Its successor ends too.", ["610900", start, end], successor),
        "successor-5-digits": ("Not a region.", ["61000", start, end], form),
        "before-1970": ("An end below zero.", ["610000", -1, end], successor),
        "grace-before-end": ("A grace before the end.", ["610000", end + 1, end], successor),
        "empty": ("An ending of no parts.", [], form),
        "two-parts": ("No grace.", ["610000", start], form),
        "bool": ("True for a time.", ["610000", True, end], form),
        "not-an-array": ("A text alone.", "610000", form),
    }
    for name, (about, value, expect) in defects.items():
        yield Vector(f"ending-{name}", about, with_ending(value), expect)
    circle = changed(
        lambda m: [m[6][a][9].__setitem__(0, b) for a, b in ((yanan, "610900"), (ankang, "610600"))]
    )
    yield Vector("ending-circle", "Two cities, each the other's successor.", circle, successor)
    outlives = changed(lambda m: m[6][yanan][8][code].__setitem__(3, end + 1))
    about = "A code key that outlives its issuer's grace by a second."
    yield Vector("ending-outlived-by-a-code-key", about, outlives, successor)


def _policy_shapes() -> Iterator[Vector]:
    digest = bytes(32)
    defects: dict[str, tuple[str, object]] = {
        "empty": ("An empty optional member.", []),
        "twice": ("One name twice.", [["a", 1, digest], ["a", 2, digest]]),
        "descending": ("Names out of order.", [["b", 1, digest], ["a", 1, digest]]),
        "name-empty": ("No name.", [["", 1, digest]]),
        "name-upper-case": ("Not a name.", [["A", 1, digest]]),
        "name-129": ("A name too long.", [["a" * 129, 1, digest]]),
        "version-0": ("Versions begin at 1.", [["a", 0, digest]]),
        "version-bool": ("True for 1.", [["a", True, digest]]),
        "digest-31": ("Not a SHA-256.", [["a", 1, digest[1:]]]),
        "two-parts": ("No digest.", [["a", 1]]),
        "257": ("More than may be.", [[f"a{i:03}", 1, digest] for i in range(257)]),
    }
    for name, (about, value) in defects.items():
        yield Vector(f"policy-{name}", about, with_policies(value), "TrustListFormatError")


def _kept() -> Iterator[Vector]:
    """What no list of the same roots takes back."""
    ok, gone, other = "accepted", "TrustListSuccessorError", "TrustListPolicyError"
    alive = replace(YANAN, ending=None)
    assert YANAN.ending is not None
    ending = YANAN.ending
    code_key = next(key for key in YANAN.keys if key.purpose is Purpose.CODE)

    def issuers(yanan: ListedIssuer) -> bytes:
        return signed(replace(LIST, issuers=(SHAANXI, HEILONGJIANG, yanan, ANKANG)))

    def moved(**change: Any) -> bytes:  # noqa: ANN401 - members of an ending
        short = replace(code_key, not_after=ending.grace_until - 1)
        return issuers(replace(YANAN, keys=(short,), ending=replace(ending, **change)))

    def policies(*pins: PinnedPolicy) -> bytes:
        return signed(replace(LIST, policies=pins))

    before_ending = signed(
        replace(OLDER, issuers=(SHAANXI, HEILONGJIANG, alive, ANKANG), policies=())
    )
    about = "A first word of Yan'an's end, and first pins."
    yield Vector("ending-announced", about, GOOD, ok, before_ending)
    about = "An issuer that ended needs keys no longer, and stays listed."
    yield Vector("ending-kept-without-keys", about, issuers(replace(YANAN, keys=())), ok, HELD)
    about = "An issuer that ended comes back to life."
    yield Vector("ending-taken-back", about, issuers(alive), gone, HELD)
    about = "An issuer that ended vanishes: its last codes would be unknown."
    without = signed(replace(LIST, issuers=(SHAANXI, HEILONGJIANG, ANKANG)))
    yield Vector("ending-vanished", about, without, gone, HELD)
    for name, change in (
        ("end-earlier", {"ends_at": ending.ends_at - 1}),
        ("end-later", {"ends_at": ending.ends_at + 1}),
        ("grace-shorter", {"grace_until": ending.grace_until - 1}),
        ("grace-longer", {"grace_until": ending.grace_until + 1}),
        ("successor-changed", {"successor": "230000"}),
    ):
        about = f"After it was published: {name.replace('-', ' ')}."
        yield Vector(f"ending-{name}", about, moved(**change), gone, HELD)
    risks, rules = POLICIES
    newer = replace(risks, version=4, digest=bytes(32))
    yield Vector("policy-raised", "A newer risk table.", policies(newer, rules), ok, HELD)
    yield Vector("policy-gone", "A pin falls away.", policies(rules), other, HELD)
    older = replace(risks, version=2)
    yield Vector("policy-lower", "An older risk table.", policies(older, rules), other, HELD)
    changed_pin = replace(risks, digest=bytes(32))
    about = "Another document of the same version."
    yield Vector("policy-exchanged", about, policies(changed_pin, rules), other, HELD)
    bumped = replace(LIST, roots=replace(ROOTS, epoch=2))
    about = "The same roots under a new epoch: the way to correct a published end, and a pin."
    corrected = replace(bumped, issuers=(SHAANXI, HEILONGJIANG, alive, ANKANG), policies=())
    yield Vector("rotation-corrects-endings-and-policies", about, signed(corrected), ok, HELD)


def _rotations() -> Iterator[Vector]:
    unnamed = replace(LIST, roots=NEXT_ROOTS)
    rotated = replace(unnamed, former_roots=(ROOT_SIGNERS[0].public_key,))
    both = (*ROOT_SIGNERS[:3], NEXT_SIGNERS[0])
    after = replace(rotated, version=8, issued_at=ISSUED + 1)
    held = signed(rotated, both)
    new_signers = (*ROOT_SIGNERS[1:3], NEXT_SIGNERS[0])
    replaced = replace(LIST, roots=ALL_NEW_ROOTS, former_roots=ROOTS.keys)
    quorum = "TrustListQuorumError"
    epoch = "TrustListEpochError"
    ok = "accepted"
    yield Vector("rotation", "One root is exchanged; both quorums sign.", held, ok, HELD)
    yield Vector("rotation-first", "The same, for a verifier without a list.", held, ok)
    yield Vector(
        "rotation-first-by-hand",
        "The same, for a verifier that was given the new roots.",
        held,
        ok,
        roots=NEXT_ROOTS,
    )
    yield Vector(
        "rotation-leaving-root-unnamed",
        "The root who leaves signs, and the list does not name it: under the new roots alone, "
        "nobody could verify the list again.",
        signed(unnamed, both),
        "TrustListSignerError",
        HELD,
    )
    yield Vector(
        "rotation-by-those-who-stay",
        "Nobody who leaves signs, and so nobody needs to be named.",
        signed(unnamed, (*ROOT_SIGNERS[1:4], NEXT_SIGNERS[0])),
        ok,
        HELD,
    )
    yield Vector(
        "rotation-after",
        "The next list, by the new roots alone.",
        signed(after, new_signers),
        ok,
        held,
    )
    yield Vector(
        "rotation-after-for-both",
        "A later list that the root who left signs too, for those who still trust the old roots.",
        signed(after, (*new_signers, ROOT_SIGNERS[0])),
        ok,
        held,
    )
    yield Vector(
        "rotation-roots-by-hand",
        "New roots given by hand are newer than those of the list held.",
        signed(after, new_signers),
        ok,
        HELD,
        roots=NEXT_ROOTS,
    )
    about = "Roots given by hand that are of the same epoch as those of the list held, and others."
    yield Vector(
        ASKS_ROOTS_ABOUT_HELD,
        about,
        signed(after, new_signers),
        ok,
        held,
        roots=ALL_NEW_ROOTS,
    )
    burnt = signed(replace(LIST, version=6 + MAX_STEP))
    yield Vector(
        "rotation-recovers-burnt-versions",
        "C76: stolen roots ran the numbers up; new roots begin again below.",
        signed(replace(replaced, version=8), (*ROOT_SIGNERS[:3], *NEXT_SIGNERS[:3])),
        ok,
        burnt,
    )
    yield Vector(
        "rotation-without-old-quorum",
        "Two old roots and all the new ones.",
        signed(replaced, (*ROOT_SIGNERS[:2], *NEXT_SIGNERS)),
        quorum,
        HELD,
    )
    yield Vector(
        "rotation-without-new-quorum",
        "All old roots and two new ones.",
        signed(replaced, (*ROOT_SIGNERS, *NEXT_SIGNERS[:2])),
        quorum,
        HELD,
    )
    yield Vector(
        "rotation-removed-root-counts-no-more",
        "C74: the root who left is the third.",
        signed(after, (ROOT_SIGNERS[0], *ROOT_SIGNERS[1:3])),
        quorum,
        held,
    )
    yield Vector(
        "rotation-removed-root-unnamed",
        "C74: the root who left signs beside the quorum, and the list does not name it.",
        signed(replace(after, former_roots=()), (ROOT_SIGNERS[0], *new_signers)),
        "TrustListSignerError",
        held,
    )
    jump = replace(LIST, roots=replace(ROOTS, epoch=3))
    yield Vector("rotation-jump", "C75: from epoch 1 to 3.", signed(jump), epoch, HELD)
    same = replace(LIST, roots=replace(ROOTS, threshold=1))
    yield Vector("rotation-same-epoch", "Other roots, same epoch.", signed(same), epoch, HELD)
    second = signed(replace(LIST, roots=replace(ROOTS, epoch=2)))
    yield Vector("rotation-back", "Back to the epoch before.", GOOD, epoch, second)
    yield Vector(
        "rotation-withdrawal-undone",
        "New roots cannot take a withdrawal back either.",
        signed(replace(rotated, withdrawn=frozenset()), both),
        "TrustListWithdrawalError",
        HELD,
    )
    twin = replace(LIST, version=8)
    yield Vector(
        "rotation-former-root-wrong",
        "A former root's signature does not verify.",
        encode_envelope(
            encode_trust_list(after),
            [
                *(sign_payload(encode_trust_list(after), signer) for signer in new_signers),
                Signature(
                    kid(ROOT_SIGNERS[0].public_key),
                    sign_payload(encode_trust_list(twin), ROOT_SIGNERS[0]).value,
                ),
            ],
        ),
        "TrustListSignatureError",
        held,
    )


def cases() -> Iterator[Case]:
    """Every case."""
    return (vector.case() for vector in vectors())


if __name__ == "__main__":
    replace_folder("trust-list", files(cases()))
