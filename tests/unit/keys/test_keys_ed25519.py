"""keys.ed25519 and keys.signer against published and hostile signatures (C49 to C56)."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings

from keys import ed25519
from keys.errors import PublicKeyError, SignatureError
from keys.kid import cose_key, kid, thumbprint
from keys.signer import SeedSigner
from tests.shared_vectors import read_json

L = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1: the order of the subgroup
P = 2**255 - 19
RFC8032: list[dict[str, str]] = read_json("ed25519/rfc8032.json")["vectors"]
WYCHEPROOF: list[tuple[bytes, dict[str, Any]]] = [
    (bytes.fromhex(group["publicKey"]["pk"]), test)
    for group in read_json("ed25519/wycheproof_ed25519_odd.json")["testGroups"]
    for test in group["tests"]
]
# The points of order 1, 2, 4 and 8, in their canonical encodings.
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    )
]
# y >= p: a second spelling of points with small y, and x = 0 with its sign set.
NOT_CANONICAL = [
    *[(y + P).to_bytes(32, "little") for y in range(19)],
    *[(y + P | 1 << 255).to_bytes(32, "little") for y in range(19)],
    (1 | 1 << 255).to_bytes(32, "little"),
    (P - 1 | 1 << 255).to_bytes(32, "little"),
]
SIGNER = SeedSigner(bytes(range(32)))


@pytest.mark.parametrize("vector", RFC8032, ids=lambda vector: vector["name"])
def test_sign_rfc8032_gives_the_published_signature(vector: dict[str, str]) -> None:
    """Key and signature follow from the seed exactly as published, and verify."""
    signer = SeedSigner(bytes.fromhex(vector["seed"]))
    message = bytes.fromhex(vector["message"])
    assert signer.public_key.hex() == vector["public"]
    assert signer.sign(message).hex() == vector["signature"]
    ed25519.verify(signer.sign(message), message, signer.public_key)


@pytest.mark.parametrize(("key", "test"), WYCHEPROOF, ids=lambda value: str(value)[:32])
def test_verify_wycheproof_agrees(key: bytes, test: dict[str, Any]) -> None:
    """Every Wycheproof case has its published result (C56)."""
    public_key = ed25519.parse_public_key(key)
    signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
    if test["result"] == "valid":
        ed25519.verify(signature, message, public_key)
    else:
        with pytest.raises(SignatureError):
            ed25519.verify(signature, message, public_key)


@pytest.mark.parametrize("factor", [1, 2, 8])
def test_verify_s_plus_multiples_of_l_is_refused(factor: int) -> None:
    """S has one value: no S + L, S + 2L, S + 8L verifies (C49)."""
    signature = SIGNER.sign(b"message")
    s = int.from_bytes(signature[32:], "little") + factor * L
    with pytest.raises(SignatureError):
        ed25519.verify(signature[:32] + s.to_bytes(32, "little"), b"message", SIGNER.public_key)


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_small_order_key_is_refused_at_load_and_never_verifies(key: bytes) -> None:
    """A key of small order is not admitted, and no small-order R gets a signature past it (C50)."""
    with pytest.raises(PublicKeyError):
        ed25519.parse_public_key(key)
    for r in SMALL_ORDER:
        with pytest.raises(SignatureError):
            ed25519.verify(r + bytes(32), b"message", ed25519.PublicKey(key))


def test_mixed_order_key_is_refused_at_load() -> None:
    """A good key plus a point of small order is not admitted (C51)."""
    for small in SMALL_ORDER[1:]:
        mixed = bindings.crypto_core_ed25519_add(SIGNER.public_key, small)
        with pytest.raises(PublicKeyError):
            ed25519.parse_public_key(mixed)


@pytest.mark.parametrize("point", NOT_CANONICAL, ids=bytes.hex)
def test_key_or_r_that_is_not_canonical_is_refused(point: bytes) -> None:
    """No second spelling of a point is admitted as key or R (C52)."""
    with pytest.raises(PublicKeyError):
        ed25519.parse_public_key(point)
    with pytest.raises(SignatureError):
        ed25519.verify(point + bytes(32), b"message", SIGNER.public_key)


@pytest.mark.parametrize(
    "key", [b"", bytes(31), bytes(33), bytes(32), b"\xff" * 32, b"\2" + bytes(31)]
)
def test_key_of_wrong_length_or_zero_or_off_the_curve_is_refused(key: bytes) -> None:
    """32 bytes that are not a point, and anything that is not 32 bytes, are refused (C53)."""
    with pytest.raises(PublicKeyError):
        ed25519.parse_public_key(key)


def test_verify_zero_signature_is_refused() -> None:
    """64 zeros are no signature (C53)."""
    with pytest.raises(SignatureError):
        ed25519.verify(bytes(64), b"message", SIGNER.public_key)


def test_verify_prehashed_signature_is_refused() -> None:
    """A signature of the ph variant over the same message is none of ours (C54)."""
    _, secret = bindings.crypto_sign_seed_keypair(bytes(range(32)))
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, b"message")
    signature = bindings.crypto_sign_ed25519ph_final_create(state, secret)
    with pytest.raises(SignatureError):
        ed25519.verify(signature, b"message", SIGNER.public_key)


def test_verify_two_signatures_by_the_owner_are_both_good() -> None:
    """An owner can make a second signature for one message, so a signature names nothing (C55)."""
    message = b"message"
    scalar = bindings.crypto_core_ed25519_scalar_reduce(b"\x05" * 64)
    public_key = ed25519.parse_public_key(bindings.crypto_scalarmult_ed25519_base_noclamp(scalar))
    signatures = {_sign_with_nonce(message, scalar, public_key, nonce) for nonce in (3, 4)}
    assert len(signatures) == 2
    for signature in signatures:
        ed25519.verify(signature, message, public_key)


def _sign_with_nonce(message: bytes, scalar: bytes, public_key: bytes, nonce: int) -> bytes:
    """RFC 8032 §5.1.6 with a nonce of our choice."""
    r = nonce.to_bytes(32, "little")
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(r)
    hashed = hashlib.sha512(point + public_key + message).digest()
    k = bindings.crypto_core_ed25519_scalar_reduce(hashed)
    s = bindings.crypto_core_ed25519_scalar_add(
        r, bindings.crypto_core_ed25519_scalar_mul(k, scalar)
    )
    return bytes(point + s)


@given(st.binary(max_size=80), st.integers(0, 511))
def test_verify_any_changed_bit_is_refused(message: bytes, bit: int) -> None:
    """No bit of a signature is free."""
    signature = bytearray(SIGNER.sign(message))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureError):
        ed25519.verify(bytes(signature), message, SIGNER.public_key)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_verify_signature_of_wrong_length_borrows_nothing_from_the_message(length: int) -> None:
    """The joint of signature and message cannot be moved."""
    joined = SIGNER.sign(b"message") + b"message"
    with pytest.raises(SignatureError, match="64 bytes"):
        ed25519.verify(joined[:length], joined[length:], SIGNER.public_key)


def test_signer_shows_no_seed() -> None:
    """Neither repr nor attributes give the seed away."""
    assert repr(SIGNER) == f"SeedSigner(kid={SIGNER.kid.hex()})"
    assert not hasattr(SIGNER, "__dict__")


def test_kid_is_the_beginning_of_the_thumbprint_of_the_cose_key() -> None:
    """The published COSE_Key is the thumbprint's input, {1: 1, -1: 6, -2: x} (RFC 9679 §3)."""
    key = bytes.fromhex(RFC8032[0]["public"])
    assert cose_key(key).hex() == "a301012006215820" + key.hex()
    assert thumbprint(key) == hashlib.sha256(cose_key(key)).digest()
    assert kid(key) == thumbprint(key)[:4]
