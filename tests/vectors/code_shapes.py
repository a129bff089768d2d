"""Vectors of what is no code: texts, CBOR, headers, and other signed things."""

from collections.abc import Iterator
from dataclasses import replace

from keys.cose import sign_sign1
from keys.trustlist import encode_trust_list, sign_trust_list
from tests.cbor_support import byte_string, envelope, text_of
from tests.code_support import (
    DAY_S,
    HEILONGJIANG,
    NOW,
    SHAANXI,
    World,
    phone_code,
    presentation,
    signer,
)
from tests.vectors.code_material import (
    CODER,
    CTI,
    EXP,
    GOOD,
    HEADER,
    KID,
    M1,
    M2,
    M3,
    PARTS,
    PAYLOAD,
    SIGNATURE,
    Text,
    Vector,
    four_parts,
    h,
    malformed,
    nested,
    outcome_is,
    signed,
    with_exp,
)
from verifier.check import Reason
from verifier.claims import HOUR_S
from verifier.statuslist import Snapshot, sign_snapshot, sign_status_list

__all__ = ["vectors"]


def vectors() -> Iterator[Vector]:
    """Every vector of this module, in the order of the cases."""
    yield from _texts()
    yield from _cbor_shapes()
    yield from _cbor_types()
    yield from _headers()
    yield from _other_objects()


def _texts() -> Iterator[Vector]:
    good = text_of(GOOD)
    body = good[4:]
    yield malformed("C001-empty", "No text.", "")
    yield malformed("C001-prefix-only", "A prefix and nothing.", "CE1:")
    for name, prefix in {
        "none": "",
        "next-version": "CE2:",
        "eu": "HC1:",
        "short": "CE1",
        "twice": "CE1:CE1:",
    }.items():
        yield malformed(f"C002-prefix-{name}", "Another prefix, or none.", prefix + body)
    yield malformed("C003-group-ggw", "65,536 in a group of three.", good[:-3] + "GGW")
    yield malformed("C003-group-colons", "91,124 in a group of three.", good[:-3] + ":::")
    yield malformed("C004-one-left-over", "A length of 1 mod 3.", good + "0")
    shown = presentation(phone_code())
    yield malformed("C005-pair-above-255", "256 in the last two.", shown[:-2] + "V5")
    yield malformed("C005-pair-colons", "2,024 in the last two.", shown[:-2] + "::")
    for name, blank in {"newline": "\n", "tab": "\t", "space": " ", "crlf": "\r\n"}.items():
        yield malformed(f"C006-trailing-{name}", "Nothing is trimmed.", good + blank)
        yield malformed(f"C006-leading-{name}", "Nothing is trimmed.", blank + good)
    yield malformed("C007-lower-case", "Nothing is folded.", good.lower())
    yield malformed("C007-lower-case-prefix", "Nothing is folded.", "ce1:" + body)
    fullwidth = {ord(c): ord(c) + 0xFEE0 for c in "CE1:"}
    yield malformed("C008-full-width-colon", "A look-alike.", good.replace("1:", "1\uff1a", 1))
    yield malformed("C008-full-width-prefix", "Look-alikes.", "CE1:".translate(fullwidth) + body)
    yield malformed("C008-cyrillic", "A look-alike.", "\u0421E1:" + body)
    yield malformed("C008-arabic-digit", "A digit elsewhere.", good[:-1] + "\u0661")
    yield malformed("C008-lone-surrogate", "Half a character.", good[:-1] + "\ud800")
    yield malformed("C009-longest-qr", "4,297 characters: refused first.", [("0", 4297)])
    yield malformed("C009-one-too-long", "355 characters.", shown + "0")
    for name, text in {
        "url": "https://example.com/CE1:",
        "javascript": "javascript:alert(1)",
        "phone": "tel:+8610010",
        "wifi": "WIFI:T:WPA;S:door;P:secret;;",
        "url-around-a-code": "https://example.com/?c=" + good,
    }.items():
        yield malformed(f"C010-{name}", "Another QR code; never opened.", text)
    yield malformed("C013-nul-inside", "A NUL.", good[:50] + "\0" + good[51:])
    yield malformed("C013-nul-behind", "A NUL.", good + "\0")


def _cbor_shapes() -> Iterator[Vector]:
    yield malformed("C014-trailing-byte", "One byte behind the item.", GOOD + b"\0")
    yield malformed("C014-trailing-two-bytes", "Two bytes behind the item.", GOOD + b"\0\0")
    inside = signed(PAYLOAD + b"\0")
    yield malformed("C014-trailing-byte-in-payload", "One byte behind the claims.", inside)
    yield malformed("C015-two-items", "The code twice.", GOOD + GOOD)
    doubled = {"exp": M1 + M1 + M2, "cti": M1 + M2 + M2, "colour": M1 + M2 + M3 + M3}
    for name, members in doubled.items():
        count = b"\xa4" if name == "colour" else b"\xa3"
        yield malformed(f"C016-{name}-twice", "A label twice.", signed(count + members))
    for name, label in {"float": "F93C00", "true": "F5", "twice": "01"}.items():
        header = h("A30127") + h(label) + h("27") + h("0444") + KID
        yield malformed(f"C017-label-1-as-{name}", "Label 1 twice.", signed(header=header))
    float_label = h("A2F93C0027 0444") + KID
    yield malformed("C017-label-1-only-float", "1.0 is no label.", signed(header=float_label))
    indefinite_array = h("D29F") + b"".join(PARTS) + h("FF")
    yield malformed("C018-indefinite-array", "No length given.", indefinite_array)
    indefinite_map = signed(h("BF") + M1 + M2 + M3 + h("FF"))
    yield malformed("C018-indefinite-map", "No length given.", indefinite_map)
    pieces = h("5F 42") + CTI[:2] + h("43") + CTI[2:] + h("FF")
    in_pieces = signed(b"\xa3" + M1 + b"\x07" + pieces + M3)
    yield malformed("C018-indefinite-string", "No length given.", in_pieces)
    yield malformed("C019-colour-0x1800", "0 in two bytes.", nested(h("1800")))
    long_cti = signed(b"\xa3" + M1 + h("075805") + CTI + M3)
    yield malformed("C019-length-0x5805", "A length in two bytes.", long_cti)
    long_kid = signed(header=h("A20127045804") + KID)
    yield malformed("C019-kid-length-long", "A length in two bytes.", long_kid)
    long_payload = four_parts(PARTS[0], PARTS[1], h("5814") + PAYLOAD, PARTS[3])
    yield malformed("C019-payload-length-long", "A length in two bytes.", long_payload)
    long_exp = with_exp(h("1B00000000") + EXP)
    yield malformed("C019-exp-in-nine-bytes", "exp in nine bytes.", long_exp)
    yield malformed("C019-tag-in-two-bytes", "Tag 18 as D8 12.", h("D812") + GOOD[1:])
    swapped_header = signed(header=h("A20444") + KID + h("0127"))
    yield malformed("C020-header-unsorted", "kid before alg.", swapped_header)
    yield malformed("C020-claims-unsorted", "cti before exp.", signed(b"\xa3" + M2 + M1 + M3))
    length_first = signed(b"\xa3" + M3 + M1 + M2)
    yield malformed("C020-colour-first", "colour before exp.", length_first)
    for depth in (9, 120):
        deep = nested(b"\x81" * depth + b"\0")
        yield malformed(f"C021-depth-{depth}", "Arrays in arrays.", deep)
    for depth in (400, 100_000):
        text: Text = [("CE1:", 1), ("XGG", depth // 2)]
        yield malformed(f"C021-depth-{depth}", "Arrays in arrays.", text)
    for power in (32, 40, 62):
        huge = b"\x5b" + (2**power).to_bytes(8, "big") + b"\0"
        yield malformed(f"C022-length-2-{power}", "A length that is not there.", h("D284") + huge)
        array = b"\x9b" + (2**power).to_bytes(8, "big") + b"\0"
        yield malformed(f"C022-array-2-{power}", "A length that is not there.", b"\xd2" + array)
    colliding = [("CE1:", 1), ("XBB", 9)]
    many = b"".join(h("C249") + (n * (2**61 - 1)).to_bytes(9, "big") + b"\0" for n in range(16))
    yield malformed("C033-colliding-keys", "16 keys, one hash.", nested(b"\xb0" + many))
    yield malformed("C033-colliding-keys-8000", "By size.", [*colliding, ("000", 40_000)])
    yield malformed("C034-truncated", "One byte short; a test tries all.", GOOD[:-1])


def _cbor_types() -> Iterator[Vector]:
    for name, item in {
        "C023-tag-28": "D81C00",
        "C023-tag-29": "D81D00",
        "C023-shared-list-in-itself": "D81C81D81D00",
        "C024-tag-25": "D81900",
        "C024-tag-256": "D901008100",
        "C026-tag-0": "C074323032302D31322D31335430303A30303A30305A",
        "C026-tag-1": "C11A5FD55900",
        "C026-tag-100": "D864194896",
        "C026-tag-1004": "D903EC6A323032302D31322D3133",
        "C027-tag-35": "D823632E2A2B",
        "C027-tag-36": "D82461613A",
        "C028-tag-258": "D901028100",
        "C028-tag-55799": "D9D9F700",
        "C028-tag-unknown": "DA0001000000",
        "C029-nan": "F97E00",
        "C029-infinity": "F97C00",
        "C029-minus-zero": "F98000",
        "C029-float": "F90000",
        "C030-undefined": "F7",
        "C030-null": "F6",
        "C030-false": "F4",
        "C030-simple-32": "F820",
        "C030-f801": "F801",
        "C030-information-28": "1C",
        "C030-information-29": "1D",
        "C030-information-30": "1E",
        "C030-lone-break": "FF",
        "C031-invalid-utf-8": "62C328",
        "C031-lone-surrogate": "63EDA080",
        "C032-map": "A100F6",
        "C032-array": "8100",
    }.items():
        yield malformed(name, "In the place of the colour.", nested(h(item)))
    for name, item in {
        "C025-exp-bignum": "C244" + EXP.hex(),
        "C026-exp-tag-1": "C11A" + EXP.hex(),
        "C029-exp-float": "FA4EBFAA00",
        "C029-exp-nan": "FA7FC00000",
    }.items():
        yield malformed(name, "In the place of exp.", with_exp(h(item)))
    yield malformed(
        "C025-bignum-1000", "A bignum of 1,000 bytes.", with_exp(h("C25903E8") + bytes(1000))
    )
    tagged = h("D9D9F7") + GOOD
    yield malformed("C028-self-described", "Tag 55799 in front.", tagged)
    yield malformed("C028-cwt-tag", "Tag 61 in front.", h("D83D") + GOOD)
    for name, key in {"map": "A100F6", "array": "8100", "text": "63FF8041", "null": "F6"}.items():
        case = "C031" if name == "text" else "C032"
        keyed = signed(b"\xa4" + M1 + M2 + M3 + h(key) + b"\0")
        yield malformed(f"{case}-{name}-as-key", "In the place of a label.", keyed)


def _headers() -> Iterator[Vector]:
    kid_member = h("0444") + KID
    only_kid = b"\xa1" + kid_member
    alg_out = signed(header=only_kid, unprotected=h("A10127"))
    yield malformed("C035-alg-unprotected", "alg outside only.", alg_out)
    for name, alg in {
        "es256": "26",
        "es384": "3822",
        "hs256": "05",
        "ed25519-rfc9864": "32",
        "zero": "00",
        "text": "654564445341",
        "null": "F6",
    }.items():
        other = signed(header=h("A201") + h(alg) + kid_member)
        yield malformed(f"C036-alg-{name}", "Another algorithm.", other)
    yield malformed("C036-alg-absent", "No algorithm.", signed(header=only_kid))
    yield malformed("C036-header-empty", "Nothing protected.", signed(header=b""))
    yield malformed("C036-header-empty-map", "Nothing protected.", signed(header=b"\xa0"))
    two_algs = signed(unprotected=h("A10126"))
    yield malformed("C037-alg-twice", "EdDSA inside, ES256 outside.", two_algs)
    kid_out = signed(header=h("A10127"), unprotected=b"\xa1" + kid_member)
    yield malformed("C038-kid-unprotected", "kid outside.", kid_out)
    other_kid = b"\xa1\x04\x44" + HEILONGJIANG.code_signer.kid
    yield malformed("C038-kid-twice", "Another kid outside.", signed(unprotected=other_kid))
    for size in (0, 3, 5, 8):
        sized = signed(header=h("A2012704") + byte_string(KID.ljust(size, b"\0")[:size]))
        yield malformed(f"C038-kid-{size}-bytes", "A kid of another length.", sized)
    for name, header in {
        "C039-crit": "A3012702810A",
        "C039-crit-empty": "A301270280",
        "C039-crit-twice": "A401270281040281 04",
        "C039-crit-unknown": "A30127028119FFFF",
    }.items():
        yield malformed(name, "A critical header.", signed(header=h(header) + kid_member))
    yield malformed("C039-crit-unprotected", "crit outside.", signed(unprotected=h("A1028104")))
    detached = four_parts(PARTS[0], PARTS[1], b"\xf6", PARTS[3])
    yield malformed("C040-detached", "The payload is nil.", detached)
    yield malformed("C040-payload-empty", "The payload has no bytes.", signed(b""))
    for size in (0, 63, 65, 128):
        cut = envelope(HEADER, b"\xa0", PAYLOAD, SIGNATURE.ljust(size, b"\0")[:size])
        yield malformed(f"C042-signature-{size}-bytes", "Another length.", cut)
    for name, member in {
        "key-in-header": "3818" + "A301012006215820" + CODER.public_key.hex(),
        "x5chain": "182141" + "00",
        "x5u": "18236A" + b"http://a/b".hex(),
        "typ": "106A" + b"a/code+cbo".hex(),
    }.items():
        inside = signed(header=b"\xa3\x01\x27" + kid_member + h(member))
        yield malformed(f"C043-{name}", "A key or an address; never fetched.", inside)
        outside = signed(unprotected=b"\xa1" + h(member))
        yield malformed(f"C043-{name}-unprotected", "Never fetched.", outside)


def _other_objects() -> Iterator[Vector]:
    for name, tag in {
        "sign": "D862",
        "mac0": "D1",
        "mac": "D861",
        "encrypt0": "D0",
        "encrypt": "D860",
        "untagged": "",
    }.items():
        other = four_parts(*PARTS, tag=h(tag))
        yield malformed(f"C041-{name}", "Another COSE structure.", other)
    snapshot = Snapshot("610000", NOW, NOW + DAY_S, 7, {1: bytes(32)}, bytes(32))
    roots = replace(World().trust.roots, threshold=1, keys=(signer("root 1").public_key,))
    trust = replace(World().trust, roots=roots, issuers=())
    small_list = sign_status_list(
        bytes(256),
        uri="https://a.example/1.cwt",
        issued_at=NOW,
        exp=NOW + DAY_S,
        ttl=HOUR_S,
        signer=SHAANXI.status_signer,
    )
    note = (
        "celadon.example/log\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n"
        "\u2014 celadon.example/log AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
    )
    evidence = sign_sign1(b"\xa0", signer("evidence"), typ="application/celadon-evidence+cbor")
    for name, data in {
        "status-list": small_list,
        "snapshot": sign_snapshot(snapshot, SHAANXI.status_signer),
        "trust-list": sign_trust_list(encode_trust_list(trust), [signer("root 1")]),
        "evidence": evidence,
        "checkpoint": note.encode(),
    }.items():
        yield outcome_is(f"C046-{name}", "Ours, and not a code.", data, Reason.WRONG_TYPE)
    typ = b"application/statuslist+cwt"
    within = b"\xd2" + typ.rjust(63, b"\0")
    yield outcome_is("C046-typ-within-64", "It ends with byte 64.", within, Reason.WRONG_TYPE)
    beyond = b"\xd2" + typ.rjust(64, b"\0")
    yield malformed("C046-typ-beyond-64", "It ends with byte 65.", beyond)
    yield malformed("C046-status-list-untagged", "No tag in front.", small_list[1:])
    foreign = sign_sign1(b"\xa0", signer("x"), typ="application/other+cbor")
    yield malformed("C046-foreign-typ", "Signed, and not of ours.", foreign)
    yield malformed("C046-checkpoint-as-text", "Not even our text.", note)
