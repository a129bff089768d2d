"""How a keystore's files are encrypted: Argon2id for the passphrase, secretbox for the rest. Pure.

    header = magic || ops u32 || mem u64 || salt 16 || the first 8 bytes of their SHA-256
    master = header || nonce 24 || box(header || environment || key)
    file   = nonce 24 || box(content)       under BLAKE2b(master key, file name)

The name is in the key, so two files cannot change places. Argon2id's parameters are in the box
once more, so nobody can lower them unseen; the hash is for accidents, which would otherwise cost
a gigabyte before they are noticed.
"""

import hashlib
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.exceptions import RuntimeError as CryptoRuntimeError

from keys.errors import KeystoreDamagedError, KeystoreMemoryError, KeystorePassphraseError
from keys.lifecycle import Environment

__all__ = [
    "INTERACTIVE_MEM", "INTERACTIVE_OPS", "MODERATE_MEM", "MODERATE_OPS", "SENSITIVE_MEM",
    "SENSITIVE_OPS", "Master", "open_master", "seal", "seal_master", "unseal",
]  # fmt: skip

INTERACTIVE_OPS: Final[int] = bindings.crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE
INTERACTIVE_MEM: Final[int] = bindings.crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE
MODERATE_OPS: Final[int] = bindings.crypto_pwhash_argon2id_OPSLIMIT_MODERATE
MODERATE_MEM: Final[int] = bindings.crypto_pwhash_argon2id_MEMLIMIT_MODERATE
SENSITIVE_OPS: Final[int] = bindings.crypto_pwhash_argon2id_OPSLIMIT_SENSITIVE
SENSITIVE_MEM: Final[int] = bindings.crypto_pwhash_argon2id_MEMLIMIT_SENSITIVE

KEY_BYTES: Final = 32
# No header makes us work for longer, or allocate more, than libsodium's SENSITIVE limits.
_MAX_OPS: Final = 16
_MIN_MEM: Final[int] = bindings.crypto_pwhash_argon2id_MEMLIMIT_MIN
_MAGIC: Final = b"celadon keystore 1\n"
_PARAMETERS: Final = struct.Struct(f">{len(_MAGIC)}sIQ16s")
_CHECK_BYTES: Final = 8
_HEADER_BYTES: Final = _PARAMETERS.size + _CHECK_BYTES
_NONCE: Final = bindings.crypto_secretbox_NONCEBYTES
_MAC: Final = bindings.crypto_secretbox_MACBYTES
_ENVIRONMENTS: Final = {Environment.PRODUCTION: b"P", Environment.TEST: b"T"}
_MASTER_BYTES: Final = 2 * _HEADER_BYTES + _NONCE + _MAC + 1 + KEY_BYTES


@dataclass(frozen=True, slots=True)
class Master:
    """An opened keystore's master key, and where its keys count."""

    key: bytes = field(repr=False)
    environment: Environment


def seal_master(
    master: Master, passphrase: str, *, ops: int, mem: int, randomness: Callable[[int], bytes]
) -> bytes:
    """The master file's content. Argon2id makes *ops* passes over *mem* bytes of memory.

    Raises:
        ValueError: The passphrase is empty, or a limit is out of range.
        KeystoreMemoryError: There is not so much memory.
    """
    if not passphrase:
        raise ValueError("the passphrase is empty")
    if not _is_in_range(ops, mem):
        raise ValueError(f"Argon2id limits {ops} and {mem} are out of range")
    salt = randomness(bindings.crypto_pwhash_SALTBYTES)
    header = _with_check(_PARAMETERS.pack(_MAGIC, ops, mem, salt))
    content = header + _ENVIRONMENTS[master.environment] + master.key
    return header + _box(_stretch(passphrase, ops, mem, salt), content, randomness)


def open_master(data: bytes, passphrase: str) -> Master:
    """The master key in a master file's content. Takes as long as its Argon2id limits say.

    Raises:
        KeystoreDamagedError: Not a master file, or not a whole one.
        KeystorePassphraseError: The passphrase is wrong, or the file was changed.
        KeystoreMemoryError: There is not so much memory.
    """
    if len(data) != _MASTER_BYTES or not data.startswith(_MAGIC):
        raise KeystoreDamagedError("the master file is not one of ours, or not whole")
    header, box = data[:_HEADER_BYTES], data[_HEADER_BYTES:]
    parameters = header[: _PARAMETERS.size]
    _, ops, mem, salt = _PARAMETERS.unpack(parameters)
    if header != _with_check(parameters) or not _is_in_range(ops, mem):
        raise KeystoreDamagedError("the master file's header was changed")
    content = _unbox(_stretch(passphrase, ops, mem, salt), box)
    if content is None or content[:_HEADER_BYTES] != header:
        raise KeystorePassphraseError("the passphrase is wrong, or the master file was changed")
    flag, key = content[_HEADER_BYTES:-KEY_BYTES], content[-KEY_BYTES:]
    return Master(key, next(e for e, known in _ENVIRONMENTS.items() if known == flag))


def _with_check(parameters: bytes) -> bytes:
    return parameters + hashlib.sha256(parameters).digest()[:_CHECK_BYTES]


def _is_in_range(ops: int, mem: int) -> bool:
    return 1 <= ops <= _MAX_OPS and _MIN_MEM <= mem <= SENSITIVE_MEM


def seal(master: Master, name: str, content: bytes, randomness: Callable[[int], bytes]) -> bytes:
    """The bytes of the file *name* that holds *content*."""
    return _box(_file_key(master, name), content, randomness)


def unseal(master: Master, name: str, data: bytes) -> bytes:
    """The content of the file *name*.

    Raises:
        KeystoreDamagedError: Truncated, changed, or another file under this name.
    """
    content = _unbox(_file_key(master, name), data)
    if content is None:
        raise KeystoreDamagedError(f"{name} was truncated, changed or exchanged")
    return content


def _stretch(passphrase: str, ops: int, mem: int, salt: bytes) -> bytes:
    # NFC: one passphrase typed on two keyboards is one passphrase.
    secret = unicodedata.normalize("NFC", passphrase).encode()
    try:
        key: bytes = bindings.crypto_pwhash_alg(
            KEY_BYTES, secret, salt, ops, mem, bindings.crypto_pwhash_ALG_ARGON2ID13
        )
    except CryptoRuntimeError as error:  # with limits in range, nothing else can fail
        raise KeystoreMemoryError(
            f"opening this keystore takes {mem // 2**20} MiB of memory"
        ) from error
    return key


def _file_key(master: Master, name: str) -> bytes:
    digest = hashlib.blake2b(
        name.encode(), key=master.key, digest_size=KEY_BYTES, person=b"celadon keystore"
    )
    return digest.digest()


def _box(key: bytes, content: bytes, randomness: Callable[[int], bytes]) -> bytes:
    nonce = randomness(_NONCE)
    box: bytes = bindings.crypto_secretbox(content, nonce, key)
    return nonce + box


def _unbox(key: bytes, data: bytes) -> bytes | None:
    if len(data) < _NONCE + _MAC:
        return None
    try:
        content: bytes = bindings.crypto_secretbox_open(data[_NONCE:], data[:_NONCE], key)
    except CryptoError:
        return None
    return content
