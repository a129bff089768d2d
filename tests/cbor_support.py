"""CBOR and Ed25519 as nobody should write them: the raw material of bad input."""

import hashlib
from typing import Final

from nacl import bindings

from keys.signer import SeedSigner

__all__ = [
    "SMALL_ORDER",
    "L",
    "envelope",
    "head",
    "mixed_order_signature",
    "protected",
    "scaled_signature",
    "second_signature",
    "sig_structure",
    "sign_as",
    "sign_ph",
    "text_of",
]  # fmt: skip

#: The order of the main subgroup of edwards25519, RFC 8032 §5.1.
L: Final = 2**252 + 27742317777372353535851937790883648493

#: The eight points of small order, canonical encodings.
SMALL_ORDER: Final = tuple(
    bytes.fromhex(point)
    for point in (
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    )
)


def head(major: int, argument: int) -> bytes:
    """The shortest head of a data item. RFC 8949 §3."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    size = next(n for n in (1, 2, 4, 8) if argument < 1 << 8 * n)
    return bytes((major << 5 | 23 + size.bit_length(),)) + argument.to_bytes(size, "big")


def byte_string(data: bytes) -> bytes:
    return head(2, len(data)) + data


def protected(kid: bytes) -> bytes:
    """The protected header of the profile, without the head of its byte string."""
    return bytes.fromhex("A201270444") + kid


def sig_structure(header: bytes, payload: bytes, aad: bytes = b"") -> bytes:
    parts = b"".join(byte_string(part) for part in (header, aad, payload))
    return b"\x84\x6aSignature1" + parts


def envelope(header: bytes, unprotected: bytes, payload: bytes, signature: bytes) -> bytes:
    """Tag 18 around four parts; *unprotected* as it stands, the others as byte strings."""
    parts = (byte_string(header), unprotected, byte_string(payload), byte_string(signature))
    return b"\xd2\x84" + b"".join(parts)


# --- signatures -----------------------------------------------------------------------------------


def sign_as(
    seed: bytes, message: bytes, *, dom: bytes = b"", nonce: bytes = b"", r_point: bytes = b""
) -> bytes:
    """A signature by RFC 8032 §5.1.6, with the parts that can be chosen.

    Args:
        seed: 32 bytes.
        message: Signed as it is.
        dom: What Ed25519ctx and Ed25519ph put in front of every hash.
        nonce: Makes another valid signature of the same message.
        r_point: Takes the place of R, as if its discrete logarithm were 0.
    """
    expanded = hashlib.sha512(seed).digest()
    scalar = bytearray(expanded[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    secret = int.from_bytes(scalar, "little")
    public_key = SeedSigner(seed).public_key
    r = _hash(dom + nonce + expanded[32:] + message)
    point = r_point or bindings.crypto_scalarmult_ed25519_base_noclamp(r.to_bytes(32, "little"))
    k = _hash(dom + point + public_key + message)
    s = ((0 if r_point else r) + k * secret) % L
    return point + s.to_bytes(32, "little")


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % L


def second_signature(seed: bytes, message: bytes) -> bytes:
    """Another valid signature of the same message, as the owner of the key can always make."""
    return sign_as(seed, message, nonce=b"another")


def mixed_order_signature(seed: bytes, message: bytes) -> bytes:
    """A signature that only verifiers with the cofactor take: R is off by a point of order 8."""
    r = 12_345
    point = bindings.crypto_scalarmult_ed25519_base_noclamp(r.to_bytes(32, "little"))
    mixed = bindings.crypto_core_ed25519_add(point, SMALL_ORDER[4])
    forged = sign_as(seed, message, r_point=mixed)
    s = (int.from_bytes(forged[32:], "little") + r) % L
    return mixed + s.to_bytes(32, "little")


def scaled_signature(signature: bytes, times: int) -> bytes:
    """S + times * L: the same S to a verifier that does not compare it with L."""
    s = int.from_bytes(signature[32:], "little") + times * L
    return signature[:32] + s.to_bytes(32, "little")


def sign_ph(seed: bytes, message: bytes, *, prehash: bool, context: bytes = b"") -> bytes:
    """Ed25519ph (*prehash*) or Ed25519ctx, RFC 8032 §5.1."""
    dom = b"SigEd25519 no Ed25519 collisions" + bytes((prehash, len(context))) + context
    return sign_as(seed, hashlib.sha512(message).digest() if prehash else message, dom=dom)


def text_of(data: bytes) -> str:
    """The prefix and base45, of any length."""
    groups = [(data[at : at + 2], 3) for at in range(0, len(data) - 1, 2)]
    if len(data) % 2:
        groups.append((data[-1:], 2))
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    text = ""
    for group, size in groups:
        number = int.from_bytes(group, "big")
        text += "".join(alphabet[number // 45**place % 45] for place in range(size))
    return "CE1:" + text
