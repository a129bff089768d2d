"""keys.token: what the token keeps inside, and what is said when it is not as it must be."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag
from pkcs11 import exceptions as refusals

from keys import ed25519
from keys import token as token_module
from keys.errors import (
    KeystoreMissingError,
    KeystorePermissionError,
    KeyTransitionError,
    TokenError,
    TokenKeyError,
    TokenMissingError,
    TokenPinError,
)
from keys.keyring import TokenKeyring, TokenPlace, open_token
from keys.kid import kid, thumbprint
from keys.lifecycle import KeyState, Purpose
from keys.signer import SeedSigner
from keys.store import Keystore
from keys.token import Token
from tests.keystore_support import at, make_store
from tests.token_support import PACKAGE_MISSING, Hsm, soft_hsm

BORN, BEGIN, END = 50, 100, 200
MESSAGE = b"message"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def place(hsm: Hsm) -> TokenPlace:
    return hsm.new_token()


@pytest.fixture
def token(place: TokenPlace) -> Iterator[Token]:
    opened = Token(place)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Keystore:
    return make_store(tmp_path / "keystore")


def _objects(token: Token) -> list[Any]:
    """Everything in the token, as its owner sees it."""
    return token._call(lambda session: list(session.get_objects()))


def _private(token: Token) -> Any:  # noqa: ANN401 - the binding's own
    (found,) = (o for o in _objects(token) if o.object_class is ObjectClass.PRIVATE_KEY)
    return found


def _plant(token: Token, public_key: bytes, *, extractable: bool) -> None:
    """Put a key pair into the token that claims to be another one."""
    parameters = {Attribute.EC_PARAMS: token_module._CURVES[0]}
    token._call(
        lambda session: session.create_domain_parameters(
            KeyType.EC_EDWARDS, parameters, local=True
        ).generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            id=thumbprint(public_key),
            private_template={
                Attribute.SENSITIVE: not extractable,
                Attribute.EXTRACTABLE: extractable,
            },
        )
    )


def _works(token: Token, public_key: ed25519.PublicKey) -> None:
    ed25519.verify(token.sign(public_key, MESSAGE), MESSAGE, public_key)


def test_generate_makes_a_key_that_cannot_be_read(token: Token) -> None:
    """The private half was made inside, is sensitive, and is refused to its owner."""
    public_key = token.generate()
    private = _private(token)
    for attribute in (
        Attribute.LOCAL, Attribute.PRIVATE, Attribute.SENSITIVE, Attribute.ALWAYS_SENSITIVE,
        Attribute.NEVER_EXTRACTABLE,
    ):  # fmt: skip
        assert private[attribute] is True, attribute
    assert private[Attribute.EXTRACTABLE] is False
    with pytest.raises(refusals.AttributeSensitive):
        private[Attribute.VALUE]
    for attribute, value in ((Attribute.EXTRACTABLE, True), (Attribute.SENSITIVE, False)):
        with pytest.raises(pkcs11.PKCS11Error):
            private[attribute] = value
    assert private[Attribute.ID] == thumbprint(public_key)
    assert private[Attribute.LABEL] == f"celadon {kid(public_key).hex()}"


@pytest.mark.parametrize("curves", [(name,) for name in token_module._CURVES])
def test_generate_works_with_either_name_of_the_curve(
    token: Token, monkeypatch: pytest.MonkeyPatch, curves: tuple[bytes]
) -> None:
    """Tokens of either generation are asked in a way that they know."""
    monkeypatch.setattr(token_module, "_CURVES", curves)
    _works(token, token.generate())


def test_generate_falls_back_to_the_other_name_and_says_when_neither_is_known(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that the token refuses is no end; a token that knows none is named."""
    monkeypatch.setattr(token_module, "_CURVES", (b"unknown", token_module._CURVES[1]))
    _works(token, token.generate())
    monkeypatch.setattr(token_module, "_CURVES", (b"unknown", b"unknown too"))
    with pytest.raises(TokenError, match="refuses"):
        token.generate()


@pytest.mark.parametrize("head", ["", "0420", "032100"])
def test_point_in_each_encoding_is_the_same_key(head: str) -> None:
    """Tokens disagree on how a public key is wrapped, not on what it is."""
    public_key = SeedSigner(bytes(32)).public_key
    assert token_module._point(bytes.fromhex(head) + public_key) == public_key


@pytest.mark.parametrize("data", [b"", bytes(32), b"\x04\x20" + bytes(32), b"\x04\x21" + bytes(33)])
def test_point_that_is_no_key_is_refused(data: bytes) -> None:
    """A broken token's key is refused when it is made, not at a door."""
    with pytest.raises(TokenError, match="public key"):
        token_module._point(data)


def test_destroy_leaves_no_object_and_may_be_repeated(token: Token) -> None:
    """Both halves are gone, a second time changes nothing, and signing says what is missing."""
    public_key = token.generate()
    signer = token.signer(public_key)
    token.destroy(public_key)
    token.destroy(public_key)
    assert _objects(token) == []
    with pytest.raises(TokenKeyError, match=f"{kid(public_key).hex()} is not in token"):
        signer.sign(MESSAGE)


def test_keyring_destroy_removes_the_key_before_the_record_says_so(
    token: Token, store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in between leaves a record that can be destroyed again, never a hidden key."""
    ring = TokenKeyring(store, token)
    name = ring.new(Purpose.CODE, "610000", BEGIN, END, now=BORN).kid

    def stop(*_: object) -> None:
        raise OSError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(Keystore, "_write", stop)
        with pytest.raises(OSError, match="stopped"):
            ring.move(name, KeyState.DESTROYED, BEGIN)
    assert _objects(token) == []
    assert ring.info(name).state is KeyState.PRE_ACTIVATION
    assert ring.move(name, KeyState.DESTROYED, BEGIN).state is KeyState.DESTROYED


def test_keyring_move_that_is_not_allowed_destroys_nothing(token: Token, store: Keystore) -> None:
    """The lifecycle is asked before the token."""
    ring = TokenKeyring(store, token)
    name = ring.new(Purpose.CODE, "610000", BEGIN, END, now=BORN).kid
    with pytest.raises(KeyTransitionError, match="clock"):
        ring.move(name, KeyState.DESTROYED, BORN - 1)
    assert len(_objects(token)) == 2


def test_keyring_new_that_fails_leaves_nothing_in_the_token(token: Token, store: Keystore) -> None:
    """A key that got no record does not stay."""
    with pytest.raises(ValueError, match="six digits"):
        TokenKeyring(store, token).new(Purpose.CODE, "61", BEGIN, END, now=BORN)
    assert _objects(token) == []


def test_keystore_without_the_token_lists_and_stops_its_keys_only(
    token: Token, store: Keystore
) -> None:
    """A stolen token's keys can be marked; they cannot sign, or pass for destroyed."""
    name = TokenKeyring(store, token).new(Purpose.CODE, "610000", BEGIN, END, now=BORN).kid
    store.move(name, KeyState.ACTIVE, BORN)
    assert [info.kid for info in store.keys()] == [name]  # noqa: SIM118 - no dict
    with pytest.raises(TokenMissingError, match=token.serial):
        store.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    with pytest.raises(TokenMissingError, match=token.serial):
        store.move(name, KeyState.DESTROYED, BEGIN)
    assert store.move(name, KeyState.COMPROMISED, BEGIN).state is KeyState.COMPROMISED
    assert len(_objects(token)) == 2


def test_keyring_sees_only_the_keys_of_its_token(hsm: Hsm, store: Keystore) -> None:
    """Two tokens and a folder share one place for records, and none touches another's keys."""
    places = hsm.new_token(), hsm.new_token()
    with open_token(places[0]) as first, open_token(places[1]) as second:
        one, two = (TokenKeyring(store, token) for token in (first, second))
        kids = [
            ring.new(Purpose.CODE, "610000", BEGIN, END, now=BORN).kid for ring in (one, two, store)
        ]
        assert [info.kid for ring in (one, two) for info in ring.keys()] == kids[:2]  # noqa: SIM118
        assert {info.kid for info in store.keys()} == set(kids)  # noqa: SIM118 - no dict
        for other in kids[1:]:
            with pytest.raises(KeystoreMissingError):
                one.move(other, KeyState.DESTROYED, BEGIN)


def test_key_whose_identity_was_given_to_another_is_refused(token: Token) -> None:
    """A key put under a recorded one's name does not sign for it."""
    public_key = SeedSigner(bytes(32)).public_key
    _plant(token, public_key, extractable=False)
    with pytest.raises(TokenKeyError, match="another one"):
        token.signer(public_key)


def test_key_that_could_leave_the_token_is_refused(token: Token) -> None:
    """An extractable key may have been outside: it signs nothing for us."""
    public_key = SeedSigner(bytes(32)).public_key
    _plant(token, public_key, extractable=True)
    with pytest.raises(TokenKeyError, match="could be outside"):
        token.signer(public_key)


def test_key_that_is_there_twice_is_refused(token: Token) -> None:
    """Which of the two would sign is nobody's guess."""
    public_key = token.generate()
    _plant(token, public_key, extractable=False)
    with pytest.raises(TokenKeyError, match="2 times"):
        token.signer(public_key)


def test_sign_after_the_session_was_lost_signs_again(hsm: Hsm, token: Token) -> None:
    """A service that was restarted, or a token put back, needs nobody's help."""
    public_key = token.generate()
    signer = token.signer(public_key)
    for _ in range(3):
        hsm.restart()
        ed25519.verify(signer.sign(MESSAGE), MESSAGE, public_key)


def test_sign_after_somebody_else_logged_out_signs_again(place: TokenPlace, token: Token) -> None:
    """A login is shared by a process: one who closes must not silence the others."""
    public_key = token.generate()
    _works(token, public_key)
    for _ in range(2):
        Token(place).close()
        _works(token, public_key)
    fresh = token.generate()
    Token(place).close()
    _works(token, fresh)


def test_destroy_after_somebody_else_logged_out_destroys(place: TokenPlace, token: Token) -> None:
    """Who is logged out sees no private key; that is not the same as having destroyed it."""
    public_key = token.generate()
    Token(place).close()
    token.destroy(public_key)
    assert _objects(token) == []


def test_generate_after_the_session_was_lost_makes_one_key(hsm: Hsm, token: Token) -> None:
    """Nothing is left behind by the attempt that failed."""
    hsm.restart()
    _works(token, token.generate())
    assert len(_objects(token)) == 2


def _elsewhere(place: TokenPlace, work: str) -> str:
    """What another process prints that has the token open as *token*."""
    code = (
        "import sys; from pathlib import Path; from keys.keyring import TokenPlace\n"
        "from keys.token import Token; module, label, pin = sys.argv[1:]\n"
        f"token = Token(TokenPlace(Path(module), label, Path(pin)))\n{work}"
    )
    command = [sys.executable, "-c", code, str(place.module), place.label, str(place.pin_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    return done.stdout.strip()


def test_key_made_by_another_process_signs_here(place: TokenPlace, token: Token) -> None:
    """An operator makes tomorrow's key while the service runs."""
    made = bytes.fromhex(_elsewhere(place, "print(token.generate().hex())"))
    _works(token, ed25519.parse_public_key(made))


def test_key_destroyed_by_another_process_signs_no_more(place: TokenPlace, token: Token) -> None:
    """A signer in use ends with its key."""
    public_key = token.generate()
    signer = token.signer(public_key)
    signer.sign(MESSAGE)
    _elsewhere(place, f"token.destroy(bytes.fromhex('{public_key.hex()}'))")
    with pytest.raises(TokenKeyError, match="is not in token"):
        signer.sign(MESSAGE)


def test_sign_after_the_token_was_taken_out_says_so(
    hsm: Hsm, place: TokenPlace, token: Token
) -> None:
    """A token that is gone is named, and another one of its name does not take its place."""
    signer = token.signer(token.generate())
    hsm.take_out(place)
    with pytest.raises(TokenMissingError, match=f"has no token '{place.label}'"):
        signer.sign(MESSAGE)
    hsm.new_token(place.label)
    with pytest.raises(TokenMissingError, match="another one than before"):
        signer.sign(MESSAGE)


def test_open_names_what_is_not_there(hsm: Hsm, place: TokenPlace, tmp_path: Path) -> None:
    """A missing module, a module that is none, and a label that nobody or two have."""
    noise = tmp_path / "module.so"
    noise.write_text("no library")
    twin = hsm.new_token(place.label)
    for wrong, reason in (
        (replace(place, module=tmp_path / "nowhere.so"), r"nowhere\.so cannot be used"),
        (replace(place, module=noise), r"module\.so cannot be used"),
        (replace(place, label="nobody"), "has no token 'nobody'"),
        (twin, "has 2 token"),
    ):
        with pytest.raises(TokenMissingError, match=reason):
            Token(wrong)


def test_open_with_a_wrong_pin_says_so_without_the_pin(place: TokenPlace) -> None:
    """The message names the token, never what was tried."""
    place.pin_file.write_text("9999-8888\n")
    with pytest.raises(TokenPinError, match="is wrong") as caught:
        Token(place)
    assert "9999" not in str(caught.value)
    place.pin_file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(TokenPinError, match="no text"):
        Token(place)


def test_open_with_a_pin_file_of_others_is_refused(place: TokenPlace) -> None:
    """A PIN that others can read is not used; nor is one that is not there."""
    for mode in (0o640, 0o604, 0o620):
        place.pin_file.chmod(mode)
        with pytest.raises(KeystorePermissionError, match=place.pin_file.name):
            Token(place)
    place.pin_file.unlink()
    with pytest.raises(KeystoreMissingError):
        Token(place)


def test_pin_that_was_changed_is_tried_once_and_never_again(
    hsm: Hsm, place: TokenPlace, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running service does not use up the tries of a token whose PIN was changed."""
    public_key = token.generate()
    tries = []
    pin = Token._pin

    def counted(self: Token) -> str:
        tries.append(1)
        return pin(self)

    monkeypatch.setattr(Token, "_pin", counted)
    place.pin_file.write_text("9999-8888\n")
    hsm.restart()
    for reason in ("is wrong", "not tried again", "not tried again"):
        with pytest.raises(TokenPinError, match=reason):
            token.sign(public_key, MESSAGE)
    assert len(tries) == 1


@dataclass
class Difficult:
    """Stands where a token of another maker would: it says one thing about its PIN."""

    flags: int = 0
    refusal: type[Exception] | None = None
    serial: bytes = b"1"
    tries: int = 0

    def open(self, **_: object) -> None:
        self.tries += 1
        assert self.refusal is not None
        raise self.refusal

    def get_tokens(self, _: str) -> list["Difficult"]:
        return [self]


@pytest.mark.parametrize(
    ("difficult", "reason", "tries"),
    [
        (Difficult(flags=TokenFlag.USER_PIN_LOCKED), "is locked", 0),
        (Difficult(flags=TokenFlag.USER_PIN_FINAL_TRY), "one more wrong PIN locks", 0),
        (Difficult(refusal=refusals.PinLocked), "is locked", 1),
        (Difficult(refusal=refusals.PinExpired), "is expired", 1),
        (Difficult(refusal=refusals.UserPinNotInitialized), "is not set yet", 1),
        (Difficult(refusal=refusals.PinLenRange), "is wrong", 1),
    ],
    ids=repr,
)
def test_open_with_a_pin_that_cannot_be_used_says_why(
    place: TokenPlace,
    monkeypatch: pytest.MonkeyPatch,
    difficult: Difficult,
    reason: str,
    tries: int,
) -> None:
    """Locked, expired, not set: each is named; the last try is never taken. SoftHSM does none."""
    monkeypatch.setattr(pkcs11, "lib", lambda _: difficult)
    with pytest.raises(TokenPinError, match=reason):
        Token(place)
    assert difficult.tries == tries


def test_open_a_token_that_keeps_failing_gives_its_reason(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one more try, the token's own word is passed on."""
    difficult = Difficult(refusal=refusals.DeviceError)
    monkeypatch.setattr(pkcs11, "lib", lambda _: difficult)
    with pytest.raises(TokenError, match="refuses: DeviceError"):
        Token(place)
    assert difficult.tries == 2


def test_signature_of_a_wrong_length_is_refused(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with another idea of EdDSA does not put bytes into our envelopes."""

    class Odd:
        def sign(self, *_: object, **__: object) -> bytes:
            return bytes(63)

    public_key = token.generate()
    monkeypatch.setitem(token._keys, public_key, Odd())
    with pytest.raises(TokenError, match="63 bytes"):
        token.sign(public_key, MESSAGE)


def test_open_without_the_binding_says_what_to_install(
    place: TokenPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is optional: who has not installed it is told so in one line."""
    monkeypatch.delitem(sys.modules, "keys.token")
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with (
        pytest.raises(TokenMissingError, match=r"celadon\[hsm\]"),
        open_token(place),
    ):
        pass


def test_nothing_shows_the_pin(token: Token, place: TokenPlace) -> None:
    """Neither the token's object, nor where it is found, nor a signer prints a PIN."""
    shown = f"{token!r} {place!r} {token.signer(token.generate())!r} {vars(token)!r}"
    assert place.pin_file.read_text().strip() not in shown


def test_tests_without_soft_hsm_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without SoftHSM is told which package to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="softhsm2"), _entered():
        pass
    assert "softhsm2" in PACKAGE_MISSING


@contextmanager
def _entered() -> Iterator[None]:
    with soft_hsm():
        yield
