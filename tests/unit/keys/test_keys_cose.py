"""keys.cose: one profile of COSE_Sign1, against published examples and C35 to C48."""

from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import cose
from keys.cose import parse_sign1, sig_structure, sign_sign1, verify_sign1
from keys.errors import Sign1Error, SignatureError
from keys.signer import SeedSigner
from tests.shared_vectors import read_json

SIGNER = SeedSigner(b"\x07" * 32)
TYP = "application/statuslist+cwt"
PAYLOAD = b"\xa1\x04\x1a\x5f\xd5\x5c\x80"
GOOD = sign_sign1(PAYLOAD, SIGNER, typ=None)
EXAMPLES = {
    name: read_json(f"cose/{name}.json")
    for name in (
        "eddsa-examples/eddsa-sig-01",
        "eddsa-examples/eddsa-sig-02",
        "sign1-tests/sign-pass-01",
        "sign1-tests/sign-pass-02",
        "sign1-tests/sign-pass-03",
        "CWT/A_3",
    )
}


def refused(data: bytes, typ: str | None = None) -> None:
    with pytest.raises(Sign1Error):
        parse_sign1(data, typ=typ, max_bytes=512)


def _parts(data: bytes) -> tuple[bytes, dict[int, Any], bytes, bytes]:
    value = cbor2.loads(data)
    protected, unprotected, payload, signature = (
        value.value if isinstance(value, cbor2.CBORTag) else value
    )
    return protected, dict(unprotected), payload, signature


@pytest.mark.parametrize("name", EXAMPLES)
def test_sig_structure_of_published_examples_is_the_published_one(name: str) -> None:
    """The bytes that are signed are built as RFC 9052 says, external data included."""
    example = EXAMPLES[name]
    protected, _, payload, _ = _parts(bytes.fromhex(example["output"]["cbor"]))
    external = bytes.fromhex(example["input"]["sign0"].get("external", ""))
    expected = bytes.fromhex(example["intermediates"]["ToBeSign_hex"])
    # An empty header is signed as no bytes (RFC 9052 §3); our profile has no empty header.
    signed_header = b"" if protected == b"\xa0" else protected
    assert sig_structure(signed_header, payload, external) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_parse_published_examples_of_other_profiles_are_refused(name: str) -> None:
    """Other algorithms and other headers are refused cleanly, signed well or not."""
    refused(bytes.fromhex(EXAMPLES[name]["output"]["cbor"]))


def test_published_eddsa_example_verifies_and_signs_to_the_same_bytes() -> None:
    """With the example's own header, our signer and verifier give and take its signature."""
    example = EXAMPLES["eddsa-examples/eddsa-sig-01"]
    signer = SeedSigner(bytes.fromhex(example["input"]["sign0"]["key"]["d_hex"]))
    protected, _, payload, signature = _parts(bytes.fromhex(example["output"]["cbor"]))
    assert signer.sign(sig_structure(protected, payload)) == signature
    sign1 = cose.Sign1(protected, payload, signature, signer.kid, None)
    assert verify_sign1(sign1, signer.public_key) == payload


def test_parse_published_cose_sign_is_refused() -> None:
    """Several signers are for trust lists only (C41)."""
    refused(bytes.fromhex(read_json("cose/eddsa-examples/eddsa-01.json")["output"]["cbor"]))


@given(st.binary(max_size=64), st.sampled_from([None, TYP]))
def test_sign1_comes_back_as_it_was_signed(payload: bytes, typ: str | None) -> None:
    """Payload, kid and type survive, and the signature verifies."""
    data = sign_sign1(payload, SIGNER, typ=typ)
    sign1 = parse_sign1(data, typ=typ, max_bytes=len(data))
    assert (sign1.kid, sign1.typ, sign1.payload) == (SIGNER.kid, typ, payload)
    assert verify_sign1(sign1, SIGNER.public_key) == payload


def test_sign1_of_profile_1_has_the_bytes_of_the_spec() -> None:
    """The envelope is 18([h'a2012704 44 kid', {}, payload, signature]), spelt out by hand."""
    kid = SIGNER.kid
    expected = b"\xd2\x84" + b"\x49\xa2\x01\x27\x04\x44" + kid + b"\xa0" + b"\x47" + PAYLOAD
    assert GOOD[:-64] == expected + b"\x58\x40"


def _sealed(protected: object, unprotected: object, tag: int | None = 18, **parts: object) -> bytes:
    """An envelope with these headers, signed as it stands by the right key."""
    head = protected if isinstance(protected, bytes) else cbor2.dumps(protected)
    signature = SIGNER.sign(sig_structure(head, PAYLOAD))
    body = [head, unprotected, PAYLOAD, signature]
    body[2] = parts.get("payload", PAYLOAD)
    body[3] = parts.get("signature", signature)
    return cbor2.dumps(body if tag is None else cbor2.CBORTag(tag, body))


_KID = SIGNER.kid
_OTHER = b"\0\1\2\3"
DEFECTS: dict[str, bytes] = {
    "C35-alg-unprotected": _sealed({4: _KID}, {1: -8}),
    "C36-alg-es256": _sealed({1: -7, 4: _KID}, {}),
    "C36-alg-hs256": _sealed({1: 5, 4: _KID}, {}),
    "C36-alg-zero": _sealed({1: 0, 4: _KID}, {}),
    "C36-alg-ed25519-of-rfc9864": _sealed({1: -19, 4: _KID}, {}),
    "C36-alg-text": _sealed({1: "EdDSA", 4: _KID}, {}),
    "C36-alg-absent": _sealed({4: _KID}, {}),
    "C37-alg-in-both": _sealed({1: -8, 4: _KID}, {1: -8}),
    "C37-alg-differs": _sealed({1: -8, 4: _KID}, {1: -7}),
    "C38-kid-unprotected": _sealed({1: -8}, {4: _KID}),
    "C38-kid-in-both": _sealed({1: -8, 4: _KID}, {4: _KID}),
    "C38-kid-differs": _sealed({1: -8, 4: _KID}, {4: _OTHER}),
    "C38-kid-of-3-bytes": _sealed({1: -8, 4: _KID[:3]}, {}),
    "C38-kid-of-5-bytes": _sealed({1: -8, 4: _KID + b"\0"}, {}),
    "C38-kid-text": _sealed({1: -8, 4: "kid1"}, {}),
    "C39-crit": _sealed({1: -8, 2: [4], 4: _KID}, {}),
    "C39-crit-empty": _sealed({1: -8, 2: [], 4: _KID}, {}),
    "C39-crit-duplicate": _sealed({1: -8, 2: [4, 4], 4: _KID}, {}),
    "C39-crit-unknown": _sealed({1: -8, 2: [99], 4: _KID}, {}),
    "C39-crit-unprotected": _sealed({1: -8, 4: _KID}, {2: [4]}),
    "C40-detached-payload": _sealed({1: -8, 4: _KID}, {}, payload=None),
    "payload-text": _sealed({1: -8, 4: _KID}, {}, payload="text"),
    "C41-cose-sign": _sealed({1: -8, 4: _KID}, {}, tag=98),
    "C41-cose-mac0": _sealed({1: -8, 4: _KID}, {}, tag=17),
    "C41-cose-encrypt0": _sealed({1: -8, 4: _KID}, {}, tag=16),
    "C41-untagged": _sealed({1: -8, 4: _KID}, {}, tag=None),
    "C41-cwt-tag-outside": b"\xd8\x3d" + GOOD,
    "C41-self-described": b"\xd9\xd9\xf7" + GOOD,
    "C41-tag-twice": b"\xd2" + GOOD,
    "C41-tag-not-shortest": b"\xd8\x12" + GOOD[1:],
    "C42-signature-63": _sealed({1: -8, 4: _KID}, {}, signature=GOOD[-64:-1]),
    "C42-signature-65": _sealed({1: -8, 4: _KID}, {}, signature=GOOD[-64:] + b"\0"),
    "C42-signature-0": _sealed({1: -8, 4: _KID}, {}, signature=b""),
    "C43-key-in-header": _sealed({1: -8, 4: _KID, -1: SIGNER.public_key}, {}),
    "C43-x5chain": _sealed({1: -8, 4: _KID, 33: b"certificate"}, {}),
    "C43-x5chain-unprotected": _sealed({1: -8, 4: _KID}, {33: b"certificate"}),
    "C43-x5u": _sealed({1: -8, 4: _KID, 35: "https://keys.example/"}, {}),
    "C46-a-status-list": sign_sign1(PAYLOAD, SIGNER, typ=TYP),
    "header-twice-encoded": _sealed(cbor2.dumps(cbor2.dumps({1: -8, 4: _KID})), {}),
    "header-order": _sealed(bytes.fromhex("a20444") + _KID + bytes.fromhex("0127"), {}),
    "header-long-integer": _sealed(bytes.fromhex("a20138070444") + _KID, {}),
    "header-trailing-byte": _sealed(bytes.fromhex("a201270444") + _KID + b"\0", {}),
    "header-empty": _sealed(b"", {}),
    "unprotected-null": _sealed({1: -8, 4: _KID}, None),
    "three-parts": b"\xd2" + cbor2.dumps(list(_parts(GOOD))[:3]),
    "five-parts": b"\xd2" + cbor2.dumps([*_parts(GOOD), b""]),
    "a-map": b"\xd2\xa0",
    "C14-trailing-byte": GOOD + b"\0",
    "C15-twice": GOOD + GOOD,
    "C18-indefinite-array": b"\xd2\x9f" + GOOD[2:] + b"\xff",
    "C19-long-length": GOOD.replace(b"\x47" + PAYLOAD, b"\x58\x07" + PAYLOAD),
    "empty": b"",
}


@pytest.mark.parametrize("data", DEFECTS.values(), ids=DEFECTS.keys())
def test_parse_one_defect_is_refused(data: bytes) -> None:
    """Every envelope that differs from the profile in one point is refused, signed well or not."""
    refused(data)


def test_parse_types_are_not_interchangeable() -> None:
    """What is signed as one type is nothing as another, or as none (C46)."""
    refused(GOOD, typ=TYP)
    refused(sign_sign1(PAYLOAD, SIGNER, typ=TYP), typ="application/celadon-rules+cbor")


def test_parse_more_than_the_limit_is_refused() -> None:
    """The limit counts every byte but the tag's."""
    assert parse_sign1(GOOD, typ=None, max_bytes=len(GOOD) - 1).payload == PAYLOAD
    with pytest.raises(Sign1Error, match="are allowed"):
        parse_sign1(GOOD, typ=None, max_bytes=len(GOOD) - 2)


def test_parse_truncated_at_every_byte_is_refused() -> None:
    """No beginning of an envelope is an envelope (C34)."""
    for length in range(len(GOOD)):
        refused(GOOD[:length])


def test_every_changed_bit_is_refused() -> None:
    """No bit of an envelope is free (C34b)."""
    for bit in range(8 * len(GOOD)):
        changed = bytearray(GOOD)
        changed[bit // 8] ^= 1 << bit % 8
        # Where the kid changed, the right key is offered all the same.
        with pytest.raises((Sign1Error, SignatureError)):
            verify_sign1(parse_sign1(bytes(changed), typ=None, max_bytes=512), SIGNER.public_key)


def test_verify_signature_over_external_data_is_refused() -> None:
    """A signature that covers external data too is none of ours (C48)."""
    protected = cose.encode_protected(_KID, None)
    signature = SIGNER.sign(sig_structure(protected, PAYLOAD, b"elsewhere"))
    data = _sealed(protected, {}, signature=signature)
    with pytest.raises(SignatureError):
        verify_sign1(parse_sign1(data, typ=None, max_bytes=512), SIGNER.public_key)
