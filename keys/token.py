"""A PKCS#11 token: keys are made in it, sign in it, and never leave it. Shell.

One call at a time in the whole process: the binding initialises a module without locking, and two
threads inside it would corrupt its memory. A session that was lost (token taken out and put back,
service restarted, somebody logged out) is opened again, once for each call.

A wrong PIN is tried once and never again, and the last try that a token has left is never taken:
a service that restarts in a loop must not lock its own token.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar, cast

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, TokenFlag
from pkcs11 import exceptions as refusals
from pkcs11.types import Object, Session, SignMixin

from keys.cose import MessageSigner
from keys.ed25519 import SIGNATURE_BYTES, PublicKey, parse_public_key, verify
from keys.errors import (
    PublicKeyError,
    SignatureError,
    TokenError,
    TokenKeyError,
    TokenMissingError,
    TokenPinError,
)
from keys.files import first_line, read_private
from keys.keyring import TokenPlace
from keys.kid import kid, thumbprint

__all__ = ["Token"]

T = TypeVar("T")

# PKCS #11 v3.0 §2.3.7: the curve's name as PrintableString, or its OID 1.3.101.112.
_CURVES: Final = (b"\x13\x0cedwards25519", bytes.fromhex("06032b6570"))
# A public key comes as OCTET STRING, as BIT STRING, or bare.
_POINT_HEADS: Final = (bytes.fromhex("0420"), bytes.fromhex("032100"), b"")
_POINT_BYTES: Final = 32
#: What the private half must be, so that it was never outside and never can be.
_INSIDE: Final = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
}
# Signed when a key is looked up, to see that it is the one recorded. No COSE structure begins so.
_PROOF: Final = b"celadon: the key in the token is the key in the record"
_LOCK: Final = threading.RLock()


class Token:
    """One token, logged in."""

    def __init__(self, place: TokenPlace) -> None:
        self._place = place
        self._session: Session | None = None
        self._keys: dict[bytes, SignMixin] = {}
        self._serial = ""
        self._pin_refused = False
        self._call(lambda session: session)

    @property
    def serial(self) -> str:
        """The serial number that its maker gave it."""
        return self._serial

    def generate(self) -> PublicKey:
        """Make a key pair that stays in the token, and give its public half.

        Raises:
            TokenError: The token does not make Ed25519 keys, or not of this kind.
        """
        return self._call(_generate)

    def signer(self, public_key: PublicKey) -> MessageSigner:
        """A signer, after one signature that proves the key.

        Raises:
            TokenKeyError: The key is not there, is another one, or could leave the token.
        """
        self._call(lambda session: self._key(session, public_key))
        return _TokenSigner(self, public_key)

    def sign(self, public_key: PublicKey, message: bytes) -> bytes:
        """64 bytes.

        Raises:
            TokenError: The token is gone, or refuses.
        """
        return self._call(lambda session: _sign(self._key(session, public_key), message))

    def destroy(self, public_key: PublicKey) -> None:
        """Destroy both halves of a key. Does nothing if the token has no such key."""
        with _LOCK:
            # Logged out by somebody else, we would see no private key, and take it for destroyed.
            self._forget()
            self._call(lambda session: _destroy(session, public_key))

    def close(self) -> None:
        """Log out."""
        with _LOCK:
            self._forget()

    def _call(self, work: Callable[[Session], T]) -> T:
        """Do *work* in the session; if the token refuses, once more in a new one."""
        with _LOCK:
            try:
                return work(self._session or self._log_in())
            except PKCS11Error:
                self._forget()
            try:
                return work(self._log_in())
            except refusals.NoSuchKey as error:
                raise TokenKeyError(f"{error} is not in {self._name}") from error
            except PKCS11Error as error:
                self._forget()
                raise TokenError(f"{self._name} refuses: {_reason(error)}") from error

    @property
    def _name(self) -> str:
        return f"token {self._place.label!r}"

    def _forget(self) -> None:
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            with suppress(PKCS11Error):  # it is lost already
                session.close()

    def _log_in(self) -> Session:
        if self._pin_refused:
            raise TokenPinError(f"{self._name} refused the PIN: it is not tried again")
        pin = self._pin()
        token = self._find()
        if token.flags & TokenFlag.USER_PIN_LOCKED:
            raise TokenPinError(f"the PIN of {self._name} is locked: its officer unlocks it")
        if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise TokenPinError(f"one more wrong PIN locks {self._name}: log in once by hand")
        try:
            self._session = token.open(rw=True, user_pin=pin)
        except refusals.UserAlreadyLoggedIn:  # this process is, by another object
            self._session = token.open(rw=True)
        except (refusals.PinIncorrect, refusals.PinInvalid, refusals.PinLenRange) as error:
            self._pin_refused = True
            raise TokenPinError(f"the PIN of {self._name} is wrong") from error
        except (refusals.PinLocked, refusals.PinExpired, refusals.UserPinNotInitialized) as error:
            self._pin_refused = True
            state = {refusals.PinLocked: "locked", refusals.PinExpired: "expired"}
            how = state.get(type(error), "not set yet")
            raise TokenPinError(f"the PIN of {self._name} is {how}") from error
        return self._session

    def _pin(self) -> str:
        try:
            return first_line(read_private(self._place.pin_file)).decode()
        except UnicodeDecodeError:  # its own text shows the bytes
            raise TokenPinError(f"the file with the PIN of {self._name} is no text") from None

    def _find(self) -> pkcs11.Token:
        try:
            found = list(pkcs11.lib(str(self._place.module)).get_tokens(self._place.label))
        except PKCS11Error as error:
            raise TokenMissingError(
                f"{self._place.module} cannot be used: {_reason(error)}"
            ) from error
        if len(found) != 1:
            count = "no" if not found else str(len(found))
            raise TokenMissingError(f"{self._place.module} has {count} {self._name}")
        serial = found[0].serial.decode(errors="replace")
        if self._serial and self._serial != serial:
            raise TokenMissingError(f"{self._name} is another one than before")
        self._serial = serial
        return found[0]

    def _key(self, session: Session, public_key: PublicKey) -> SignMixin:
        key = self._keys.get(public_key)
        if key is None:
            key = self._keys[public_key] = self._proven(session, public_key)
        return key

    def _proven(self, session: Session, public_key: PublicKey) -> SignMixin:
        name = f"key {kid(public_key).hex()}"
        found = _objects(session, ObjectClass.PRIVATE_KEY, public_key)
        if not found:
            raise refusals.NoSuchKey(name)  # or logged out: `_call` looks once more
        if len(found) != 1:
            raise TokenKeyError(f"{name} is {len(found)} times in {self._name}")
        if any(found[0][attribute] is not value for attribute, value in _INSIDE.items()):
            raise TokenKeyError(f"{name} was or could be outside of {self._name}")
        key = cast("SignMixin", found[0])
        try:
            verify(_sign(key, _PROOF), _PROOF, public_key)
        except SignatureError as error:
            raise TokenKeyError(f"{name} in {self._name} is another one") from error
        return key


class _TokenSigner:
    """Signs with one key of a token."""

    __slots__ = ("_token", "kid", "public_key")

    def __init__(self, token: Token, public_key: PublicKey) -> None:
        self._token = token
        self.public_key = public_key
        self.kid = kid(public_key)

    def sign(self, message: bytes) -> bytes:
        return self._token.sign(self.public_key, message)


def _generate(session: Session) -> PublicKey:
    *others, last = _CURVES
    for curve in others:
        with suppress(PKCS11Error):
            return _generate_on(session, curve)
    return _generate_on(session, last)


def _generate_on(session: Session, curve: bytes) -> PublicKey:
    parameters = session.create_domain_parameters(
        KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: curve}, local=True
    )
    halves = parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        private_template={
            Attribute.PRIVATE: True,
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
        },
    )
    public_key = _point(halves[0][Attribute.EC_POINT])
    for half in halves:
        half[Attribute.ID] = thumbprint(public_key)
        half[Attribute.LABEL] = f"celadon {kid(public_key).hex()}"
    return public_key


def _point(data: bytes) -> PublicKey:
    for head in _POINT_HEADS:
        if data.startswith(head) and len(data) == len(head) + _POINT_BYTES:
            try:
                return parse_public_key(data.removeprefix(head))
            except PublicKeyError as error:
                raise TokenError(f"the token made a public key that is {error}") from error
    raise TokenError(f"the token gave a public key of {len(data)} bytes")


def _sign(key: SignMixin, message: bytes) -> bytes:
    signature = key.sign(message, mechanism=Mechanism.EDDSA)
    if len(signature) != SIGNATURE_BYTES:
        raise TokenError(f"the token gave a signature of {len(signature)} bytes")
    return signature


def _destroy(session: Session, public_key: PublicKey) -> None:
    for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
        for found in _objects(session, kind, public_key):
            found.destroy()


def _objects(session: Session, kind: ObjectClass, public_key: PublicKey) -> list[Object]:
    """To the end of the search, for the token can do only one at a time."""
    # A search that cannot even begin complains again when it is cleared away: ask for less first.
    with suppress(refusals.RandomNoRNG):
        session.generate_random(8)
    wanted = {Attribute.CLASS: kind, Attribute.ID: thumbprint(public_key)}
    return list(session.get_objects(wanted))


def _reason(error: PKCS11Error) -> str:
    return str(error) or type(error).__name__
