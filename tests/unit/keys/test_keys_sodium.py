"""keys.sodium against PyNaCl's public way to the same calls, which it goes around."""

import contextlib
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl import bindings
from nacl.exceptions import CryptoError

from keys import sodium
from keys.signer import SeedSigner

SIGNER = SeedSigner(bytes(range(32)))
OTHER = SeedSigner(bytes(32))


def _opens(signed: bytes, public_key: bytes) -> bool:
    with contextlib.suppress(CryptoError):
        bindings.crypto_sign_open(signed, public_key)
        return True
    return False


@given(st.binary(max_size=300), st.integers(min_value=0), st.sampled_from([SIGNER, OTHER]))
def test_verifies_any_changed_bit_as_pynacl_says(
    message: bytes, place: int, signer: SeedSigner
) -> None:
    """A signature, one with a changed bit, and one under another key."""
    signed = SIGNER.sign(message) + message
    changed = bytearray(signed)
    changed[place % len(signed)] ^= 1 << (place % 8)
    for given_ in (signed, bytes(changed)):
        found = sodium.verifies(given_, signer.public_key)
        assert found == _opens(given_, signer.public_key)
        assert found == (given_ == signed and signer is SIGNER)


@pytest.mark.parametrize("length", range(64))
def test_verifies_less_than_a_signature_is_refused(length: int) -> None:
    """Whatever is shorter than a signature has none."""
    assert not sodium.verifies(SIGNER.sign(b"")[:length], SIGNER.public_key)


@given(st.binary(min_size=32, max_size=32))
def test_is_valid_point_says_what_pynacl_says(data: bytes) -> None:
    """Of any 32 bytes, which are nearly never a key, and of points made from them."""
    assert sodium.is_valid_point(SIGNER.public_key)
    for point in (data, bindings.crypto_core_ed25519_from_uniform(data)):
        assert sodium.is_valid_point(point) == bindings.crypto_core_ed25519_is_valid_point(point)


@given(st.binary(max_size=10_000))
def test_sha256_is_that_of_hashlib(data: bytes) -> None:
    """Of nothing, too."""
    assert sodium.sha256(data) == hashlib.sha256(data).digest()


@pytest.mark.parametrize("wrong", ["text", 7, None, bytearray(64)])
def test_what_is_not_bytes_is_refused_not_read(wrong: object) -> None:
    """libsodium takes addresses: nothing but bytes may become one."""
    for call in (
        lambda: sodium.verifies(wrong, SIGNER.public_key),  # type: ignore[arg-type]
        lambda: sodium.is_valid_point(wrong),  # type: ignore[arg-type]
        lambda: sodium.sha256(wrong),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()
