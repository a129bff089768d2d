"""People: who a subject is, sealed under a key of their own, and found only by exact match.

An index entry is Argon2id over a keyed hash of name and phone, or of the identity number. Without
the pepper a stolen database answers no guess; with it, each guess costs one Argon2id. There is no
search and no export. `identity_of` decrypts: it is called as the loader of `audit.gate` and
nowhere else. Source: docs/privacy.md.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nacl import bindings
from nacl.pwhash import argon2id
from sqlalchemy import Engine

from issuer.errors import IntegrityError, NoPersonError
from issuer.people.identity import Identity
from issuer.storage.sealing import (
    KEY_BYTES,
    NONCE_BYTES,
    associated,
    mac,
    seal,
    unseal,
    unwrap,
    wrap,
)
from issuer.storage.store import Store, read_store
from keys import cbor

__all__ = ["SUBJECT_BYTES", "IndexCost", "People", "PeopleKeys", "Registered", "find", "find_first"]

SUBJECT_BYTES: Final = 16
_DIGEST_BYTES: Final = 32
_WRAPPED_BYTES: Final = 72
#: Sealed identities are padded to a multiple of this, so that their length tells no name's length.
_PADDING: Final = 256

_FIND: Final = "SELECT subject, mac FROM identity_index WHERE digest = ?"
_NEW_SUBJECT: Final = "INSERT INTO subject (subject, wrapped_key, created_at) VALUES (?, ?, ?)"
_NEW_IDENTITY: Final = "INSERT INTO identity (subject, sealed, mac) VALUES (?, ?, ?)"
_NEW_ENTRY: Final = (
    "INSERT INTO identity_index (digest, subject, mac) VALUES (?, ?, ?)"
    " ON CONFLICT (digest) DO NOTHING"
)
_IDENTITY: Final = (
    "SELECT s.wrapped_key, s.created_at, i.sealed FROM subject s"
    " JOIN identity i ON i.subject = s.subject WHERE s.subject = ?"
)
_DESTROY_KEY: Final = "UPDATE subject SET wrapped_key = ? WHERE subject = ?"
_FORGET: Final = (
    "DELETE FROM identity WHERE subject = ?",
    "DELETE FROM identity_index WHERE subject = ?",
    "DELETE FROM one_time_code WHERE subject = ?",
    "DELETE FROM binding WHERE subject = ?",
    "DELETE FROM region_evidence WHERE subject = ?",
)


@dataclass(frozen=True, slots=True)
class IndexCost:
    """Argon2id parameters: passes, and bytes of memory. The default is 64 MiB, two passes."""

    ops: int = 2
    mem: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, repr=False)
class PeopleKeys:
    """Three secrets of the keystore, 32 bytes each."""

    kek: bytes
    pepper: bytes
    rows: bytes


@dataclass(frozen=True, slots=True)
class Registered:
    """*is_new* is for the caller's own use; whoever asked is told the same in both cases."""

    subject: bytes
    is_new: bool


class People:
    """Store functions over the issuer's database. Each blocks: call them in a thread.

    Args:
        engine: The issuer's database.
        keys: From the keystore.
        cost: Of one index entry.
        randomness: Returns that many random bytes.
    """

    __slots__ = ("_cost", "_engine", "_keys", "_randomness", "_salt")

    def __init__(
        self,
        engine: Engine,
        keys: PeopleKeys,
        *,
        cost: IndexCost,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._cost = cost
        self._randomness = randomness
        # Equal input must give equal entries, so the salt cannot be random; the pepper makes it
        # ours alone.
        self._salt = _keyed(keys.pepper, "celadon index salt", b"")[: argon2id.SALTBYTES]

    def digest_of_name_and_phone(self, name: str, phone: str) -> bytes:
        """32 bytes; the only slow step of a look-up, and the same for known and unknown."""
        return self._slow("name+phone", name.casefold(), phone)

    def digest_of_identity_number(self, identity_number: str) -> bytes:
        return self._slow("identity number", identity_number)

    def digests(self, identity: Identity) -> tuple[bytes, ...]:
        """Every entry under which this identity is found, the first one deciding who it is."""
        entries = []
        if identity.phone is not None:
            entries.append(self.digest_of_name_and_phone(identity.name, identity.phone))
        if identity.identity_number is not None:
            entries.append(self.digest_of_identity_number(identity.identity_number))
        if not entries:
            raise ValueError("an identity needs a phone or an identity number")
        return tuple(entries)

    def find(self, digest: bytes) -> bytes | None:
        """The subject with this index entry.

        Raises:
            IntegrityError: The entry was changed.
        """
        with read_store(self._engine) as store:
            return find(store, digest, rows=self._keys.rows)

    def register(
        self, store: Store, identity: Identity, digests: Sequence[bytes], *, now: int
    ) -> Registered:
        """Make a person, or find the one who is already there.

        Who is found is left as they are: whoever registers again has proved nothing yet. An
        identity number that another person holds is kept sealed, but does not lead here.
        """
        key, subject = self._randomness(KEY_BYTES), self._randomness(SUBJECT_BYTES)
        nonces = self._randomness(2 * NONCE_BYTES)
        wrapped = wrap(
            key, kek=self._keys.kek, subject=subject, created_at=now, nonce=nonces[:NONCE_BYTES]
        )
        sealed = seal(
            _encode(identity), key=key, context=_context(subject), nonce=nonces[NONCE_BYTES:]
        )
        rows = self._keys.rows
        there = find(store, digests[0], rows=rows)
        if there is not None:
            return Registered(there, is_new=False)
        store.run(_NEW_SUBJECT, (subject, wrapped, now))
        store.run(_NEW_IDENTITY, (subject, sealed, mac(rows, "identity", (subject, sealed))))
        store.many(
            _NEW_ENTRY,
            [
                (digest, subject, mac(rows, "identity_index", (digest, subject)))
                for digest in digests
            ],
        )
        return Registered(subject, is_new=True)

    def identity_of(self, subject: bytes) -> Identity:
        """Decrypt who a subject is. Only ever a loader of `audit.gate`.

        Raises:
            NoPersonError: No such person, or erased.
            SealError: The row was changed.
        """
        with read_store(self._engine) as store:
            found = store.rows(_IDENTITY, (subject,))
        if not found:
            raise NoPersonError("no such person")
        ((wrapped, created_at, sealed),) = found
        key = unwrap(wrapped, kek=self._keys.kek, subject=subject, created_at=created_at)
        return _decode(unseal(sealed, key=key, context=_context(subject)))

    def erase(self, store: Store, subject: bytes) -> None:
        """Destroy the person's key and whatever leads to them. Cannot be undone.

        The row of the subject stays, with zeros for its key: evidence that hangs on it has no
        identity any more, and what was sealed under the key stays sealed for ever.
        """
        store.run(_DESTROY_KEY, (bytes(_WRAPPED_BYTES), subject))
        for forget in _FORGET:
            store.run(forget, (subject,))

    def _slow(self, kind: str, *parts: str) -> bytes:
        keyed = _keyed(self._keys.pepper, kind, "\0".join(parts).encode())
        entry: bytes = argon2id.kdf(
            _DIGEST_BYTES, keyed, self._salt, opslimit=self._cost.ops, memlimit=self._cost.mem
        )
        return entry


def find(store: Store, digest: bytes, *, rows: bytes) -> bytes | None:
    """The subject with this index entry, within a transaction. *rows*: the secret of its MAC.

    Raises:
        IntegrityError: The entry was changed: it could lead to somebody else.
    """
    found = store.rows(_FIND, (digest,))
    if not found:
        return None
    subject: bytes
    ((subject, tag),) = found
    if mac(rows, "identity_index", (digest, subject)) != tag:
        raise IntegrityError("an index entry was changed")
    return subject


def find_first(store: Store, digests: Sequence[bytes], *, rows: bytes) -> bytes | None:
    """Whom the first of these entries leads to that leads to anybody.

    Raises:
        IntegrityError: As `find`.
    """
    found = (find(store, digest, rows=rows) for digest in digests)
    return next((subject for subject in found if subject is not None), None)


def _keyed(pepper: bytes, label: str, data: bytes) -> bytes:
    message = associated(label, [data])
    return hashlib.blake2b(message, key=pepper, digest_size=_DIGEST_BYTES).digest()


def _context(subject: bytes) -> bytes:
    return associated("identity", [subject])


def _encode(identity: Identity) -> bytes:
    plain = cbor.encode([identity.name, identity.phone, identity.identity_number])
    padded: bytes = bindings.sodium_pad(plain, _PADDING)
    return padded


def _decode(padded: bytes) -> Identity:
    plain = bindings.sodium_unpad(padded, _PADDING)
    match cbor.decode(plain, max_bytes=len(plain)):
        case [str(name), str() | None as phone, str() | None as identity_number]:
            return Identity(name, phone, identity_number)
        case _:
            raise AssertionError("a sealed identity of another shape opened")
