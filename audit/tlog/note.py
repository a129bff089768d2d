"""Signed notes (c2sp.org/signed-note): a text, a blank line, signature lines. Pure.

Two signature types: 0x01, Ed25519 over the text, and 0x04, the timestamped cosignature of
c2sp.org/tlog-cosignature, over a header, the time and the text.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from audit.errors import NoteError
from keys import ed25519
from keys.cose import MessageSigner
from keys.errors import KeysError

__all__ = [
    "MAX_NOTE_BYTES", "KeyType", "NoteKey", "NoteSignature", "SignedNote", "cosign_line",
    "parse_note", "parse_vkey", "sign_line", "verify_note",
]  # fmt: skip

MAX_NOTE_BYTES: Final = 1_000_000  # as in Go's sumdb/note
MAX_SIGNATURES: Final = 100
_MARK: Final = "\u2014 "  # em dash, space
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_MAX_TIME: Final = 2**63 - 1
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY: Final = re.compile(r"(?P<name>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>.+)", re.ASCII)


class KeyType(IntEnum):
    """The byte that stands before a public key in a verifier key."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that a note may be signed with, as a verifier knows it."""

    name: str
    public_key: ed25519.PublicKey
    type: KeyType = KeyType.ED25519

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            raise ValueError("a key name is not empty and has neither spaces nor plus signs")

    @property
    def key_id(self) -> bytes:
        """4 bytes. Not a commitment: it only tells which key to try."""
        body = self.name.encode() + b"\n" + bytes((self.type,)) + self.public_key
        return hashlib.sha256(body).digest()[:_ID_BYTES]

    def vkey(self) -> str:
        """The text form, name+id+key."""
        key = base64.b64encode(bytes((self.type,)) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line. Not verified yet."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note as parsed. Its text must not be used before `verify_note` has seen it."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """A key that did sign, and when it says so (cosignatures only)."""

    key: NoteKey
    time: int | None


def parse_vkey(text: str) -> NoteKey:
    """The key of a verifier key's text form.

    Raises:
        NoteError: Not that form, a wrong id, an unknown type, or a key that is not to be trusted.
    """
    match = _VKEY.fullmatch(text)
    if match is None:
        raise NoteError("not a verifier key")
    data = _from_base64(match["key"])
    try:
        key = NoteKey(match["name"], ed25519.parse_public_key(data[1:]), KeyType(data[0]))
    except (ValueError, IndexError, KeysError) as error:
        raise NoteError(f"verifier key: {error}") from error
    if key.key_id.hex() != match["id"]:
        raise NoteError("the verifier key's id is not that of its key")
    return key


def parse_note(data: bytes) -> SignedNote:
    """Split a note. Verifies nothing.

    Raises:
        NoteError: Too long, not UTF-8, a control character, or no well-formed signature lines.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError(f"a note of {len(data)} bytes, at most {MAX_NOTE_BYTES} are allowed")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8") from error
    if _CONTROL.search(whole):
        raise NoteError("the note has a control character")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("the note has no signature lines")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"{len(signatures)} signatures, at most {MAX_SIGNATURES} are allowed")
    return SignedNote(text + "\n", tuple(map(_parse_line, signatures)))


def verify_note(note: SignedNote, keys: Sequence[NoteKey]) -> tuple[Verified, ...]:
    """Who of *keys* signed, each once. Signatures of other keys say nothing and are passed over.

    Raises:
        NoteError: None of *keys* signed, or a signature of one of them does not verify.
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified: dict[NoteKey, Verified] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None and key not in verified:
            verified[key] = Verified(key, _verify_line(note.text, line, key))
    if not verified:
        raise NoteError("no known key has signed the note")
    return tuple(verified.values())


def sign_line(text: str, key: NoteKey, signer: MessageSigner) -> str:
    """A signature line of type 0x01 over *text*."""
    return _line(key, signer.sign(text.encode()))


def cosign_line(text: str, key: NoteKey, signer: MessageSigner, *, now: int) -> str:
    """A signature line of type 0x04: *text* is the newest checkpoint known at *now*."""
    signature = signer.sign(_cosigned(text, now))
    return _line(key, now.to_bytes(_TIME_BYTES, "big") + signature)


def _verify_line(text: str, line: NoteSignature, key: NoteKey) -> int | None:
    message, signature, time = text.encode(), line.signature, None
    if key.type is KeyType.COSIGNATURE:
        time = int.from_bytes(signature[:_TIME_BYTES], "big")
        signature = signature[_TIME_BYTES:]
        if time > _MAX_TIME:
            raise NoteError(f"{key.name}: the time is out of range")
        message = _cosigned(text, time)
    if len(signature) != ed25519.SIGNATURE_BYTES:
        raise NoteError(f"{key.name}: the signature has another length than its type")
    try:
        ed25519.verify(signature, message, key.public_key)
    except KeysError as error:
        raise NoteError(f"{key.name}: {error}") from error
    return time


def _cosigned(text: str, time: int) -> bytes:
    """Source: c2sp.org/tlog-cosignature, "Ed25519 signed message"."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _line(key: NoteKey, signature: bytes) -> str:
    return f"{_MARK}{key.name} {base64.b64encode(key.key_id + signature).decode()}\n"


def _parse_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    if not line.startswith(_MARK) or not _is_name(name):
        raise NoteError("not a signature line")
    data = _from_base64(encoded)
    if len(data) <= _ID_BYTES:
        raise NoteError("a signature line without a signature")
    return NoteSignature(name, data[:_ID_BYTES], data[_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name))


def _from_base64(text: str) -> bytes:
    """The bytes of standard base64; every other spelling of them is refused."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if base64.b64encode(data).decode() != text:
        raise NoteError("not the one base64 text of its bytes")
    return data
