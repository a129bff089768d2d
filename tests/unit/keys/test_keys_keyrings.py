"""Both keyrings, the encrypted folder and the token: whatever keeps the keys, the same holds."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from keys import ed25519
from keys.cose import parse_sign1, sign_sign1, verify_sign1
from keys.errors import (
    KeyLifecycleError,
    KeyPurposeError,
    KeyRegionError,
    KeyStateError,
    KeystoreDamagedError,
    KeystoreExistsError,
    KeystoreMissingError,
    KeyTransitionError,
    KeyWindowError,
    SignatureError,
)
from keys.keyring import Keyring, TokenKeyring, open_token
from keys.kid import kid
from keys.lifecycle import ALLOWED_MOVES, Environment, KeyState, Purpose
from keys.store import Keystore
from tests.keystore_support import PASSPHRASE, at, make_store

BORN, BEGIN, END = 50, 100, 200
UNKNOWN = bytes(4)
#: A way to each state from the first.
WAYS: dict[KeyState, tuple[KeyState, ...]] = {
    KeyState.PRE_ACTIVATION: (),
    KeyState.ACTIVE: (KeyState.ACTIVE,),
    KeyState.SUSPENDED: (KeyState.ACTIVE, KeyState.SUSPENDED),
    KeyState.DEACTIVATED: (KeyState.ACTIVE, KeyState.DEACTIVATED),
    KeyState.COMPROMISED: (KeyState.COMPROMISED,),
    KeyState.DESTROYED: (KeyState.DESTROYED,),
}


@dataclass
class Place:
    """A keyring, its folder of records, and how another process would open it."""

    ring: Keyring
    folder: Path
    open_again: Callable[[], Keyring]

    def key(self, state: KeyState = KeyState.ACTIVE, purpose: Purpose = Purpose.CODE) -> bytes:
        made = self.ring.new(purpose, "610000", BEGIN, END, now=BORN)
        for step in WAYS[state]:
            self.ring.move(made.kid, step, BORN)
        return made.kid


@contextmanager
def _place(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    store = make_store(folder)
    if kind == "folder":
        yield Place(store, folder, lambda: Keystore.open(folder, PASSPHRASE))
        return
    token = request.getfixturevalue("hsm").new_token()
    with ExitStack() as stack:

        def ring(store: Keystore) -> Keyring:
            return TokenKeyring(store, stack.enter_context(open_token(token)))

        yield Place(ring(store), folder, lambda: ring(Keystore.open(folder, PASSPHRASE)))


@pytest.fixture(params=["folder", "token"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with _place(request.param, tmp_path / "keystore", request) as made:
        yield made


@pytest.fixture
def ring(place: Place) -> Keyring:
    return place.ring


def test_new_key_is_recorded_as_asked_and_not_active(ring: Keyring) -> None:
    """A new key has the purpose, region, window and environment it was made for, and waits."""
    info = ring.new(Purpose.STATUS, "230000", BEGIN, END, now=BORN)
    assert ring.info(info.kid) == info
    assert ring.keys() == (info,)
    assert (info.purpose, info.region, info.environment) == (
        Purpose.STATUS, "230000", Environment.TEST,
    )  # fmt: skip
    assert (info.not_before, info.not_after, info.state) == (BEGIN, END, KeyState.PRE_ACTIVATION)
    assert info.kid == kid(info.public_key)


@pytest.mark.parametrize("length", [0, 1, 64, 100, 4096, 100_000])
def test_signature_of_any_length_of_message_is_valid(place: Place, length: int) -> None:
    """64 bytes that libsodium verifies under the recorded key, for this message and no other."""
    name, message = place.key(), bytes(length)
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    assert (signer.kid, signer.public_key) == (name, place.ring.info(name).public_key)
    signature = signer.sign(message)
    ed25519.verify(signature, message, signer.public_key)
    with pytest.raises(SignatureError):
        ed25519.verify(signature, message + b"\0", signer.public_key)


def test_signing_twice_gives_the_same_bytes(place: Place) -> None:
    """Ed25519 is deterministic, also inside a token: no nonce that could be bad."""
    signer = place.ring.signer(place.key(), purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    assert signer.sign(b"message") == signer.sign(b"message")


def test_sign1_by_a_keyring_is_verified(place: Place) -> None:
    """The envelope made with either signer is the one that verifiers take."""
    signer = place.ring.signer(place.key(), purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    data = sign_sign1(b"payload", signer, typ=None)
    parsed = parse_sign1(data, typ=None, max_bytes=1000)
    assert parsed.kid == signer.kid
    assert verify_sign1(parsed, signer.public_key) == b"payload"


def test_keys_are_there_after_opening_again(place: Place) -> None:
    """What was made once is made for good, and signs for whoever opens the ring next."""
    name = place.key()
    again = place.open_again()
    assert again.keys() == place.ring.keys() != ()
    signer = again.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    ed25519.verify(signer.sign(b"message"), b"message", again.info(name).public_key)


def test_keys_come_by_their_beginning(ring: Keyring) -> None:
    """The newest key is the last one, in whatever order they were made."""
    for begin in (120, 100, 110):
        ring.new(Purpose.CODE, "610000", begin, END, now=BORN)
    assert [info.not_before for info in ring.keys()] == [100, 110, 120]  # noqa: SIM118 - no dict


def test_signer_obeys_purpose_region_and_window(place: Place) -> None:
    """No signer comes out for another purpose, another region or another time."""
    name = place.key()
    with pytest.raises(KeyRegionError):
        place.ring.signer(name, purpose=Purpose.CODE, region="230000", clock=at(BEGIN))
    for purpose, now, error in (
        (Purpose.STATUS, BEGIN, KeyPurposeError),
        (Purpose.CODE, END, KeyWindowError),
    ):
        with pytest.raises(error):
            place.ring.signer(name, purpose=purpose, region="610000", clock=at(now))
    place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(END - 1))


@pytest.mark.parametrize("state", [state for state in KeyState if state is not KeyState.ACTIVE])
def test_signer_of_a_key_that_is_not_active_is_refused(place: Place, state: KeyState) -> None:
    """Only ACTIVE signs; every other state refuses, and the message says which it is."""
    name = place.key(state)
    with pytest.raises(KeyStateError, match=state):
        place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))


@pytest.mark.parametrize("state", KeyState)
def test_move_goes_where_the_lifecycle_allows_and_nowhere_else(
    place: Place, state: KeyState
) -> None:
    """From each state, each move either is in the record for good or changes nothing."""
    for wanted in KeyState:
        name = place.key(state)
        before = place.ring.info(name)
        if wanted in ALLOWED_MOVES[state]:
            moved = place.ring.move(name, wanted, BEGIN)
            assert moved == before.moved(wanted, BEGIN) == place.ring.info(name)
        else:
            with pytest.raises(KeyTransitionError):
                place.ring.move(name, wanted, BEGIN)
            assert place.ring.info(name) == before


def test_suspended_key_signs_again_when_it_is_active_again(place: Place) -> None:
    """Suspension takes nothing away for good."""
    name = place.key(KeyState.SUSPENDED)
    place.ring.move(name, KeyState.ACTIVE, BEGIN)
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    ed25519.verify(signer.sign(b"message"), b"message", signer.public_key)


@pytest.mark.parametrize("state", sorted(ALLOWED_MOVES[KeyState.ACTIVE]), ids=str)
def test_move_in_one_process_stops_the_signers_of_another(place: Place, state: KeyState) -> None:
    """No new signer, and no further signature by one that is open: not after one second."""
    name = place.key()
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    signer.sign(b"before")
    place.open_again().move(name, state, BEGIN)
    with pytest.raises(KeyStateError, match=state):
        signer.sign(b"after")
    assert not signer.may_sign(BEGIN)
    with pytest.raises(KeyStateError, match=state):
        place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))


def test_signer_opened_before_a_suspension_does_not_sign_after_it(place: Place) -> None:
    """Active again is a move that has to be logged first: whoever logs it opens the key anew."""
    name = place.key()
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    place.ring.move(name, KeyState.SUSPENDED, BEGIN)
    place.ring.move(name, KeyState.ACTIVE, BEGIN)
    with pytest.raises(KeyStateError, match="since it was opened"):
        signer.sign(b"message")
    again = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    assert again.may_sign(BEGIN)
    again.sign(b"message")


def test_signer_opened_before_its_window_signs_from_its_first_second_on(place: Place) -> None:
    """A day's key is opened ahead, so that midnight is no gap, and signs nothing before."""
    now = [BEGIN - 1]
    signer = place.ring.signer(
        place.key(), purpose=Purpose.CODE, region="610000", clock=lambda: now[0]
    )
    assert not signer.may_sign(BEGIN - 1)
    with pytest.raises(KeyWindowError):
        signer.sign(b"message")
    now[0] = BEGIN
    signer.sign(b"message")


def test_open_signer_stops_when_its_window_ends(place: Place) -> None:
    """The clock is asked for each signature, not when the key was opened."""
    now = [BEGIN]
    signer = place.ring.signer(
        place.key(), purpose=Purpose.CODE, region="610000", clock=lambda: now[0]
    )
    for now[0] in (BEGIN, END - 1):
        signer.sign(b"message")
    for now[0] in (END, BEGIN - 1):
        with pytest.raises(KeyWindowError):
            signer.sign(b"message")


def test_open_signer_of_a_key_whose_record_is_gone_stops(place: Place) -> None:
    """No record, no signature."""
    name = place.key()
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    (place.folder / f"{name.hex()}.key").unlink()
    with pytest.raises(KeystoreMissingError):
        signer.sign(b"message")
    assert not signer.may_sign(BEGIN)


def test_destroyed_key_leaves_its_record_and_its_neighbours(place: Place) -> None:
    """Destroying one key keeps its whole history, and every other key."""
    name, other = place.key(), place.key()
    history = place.ring.info(name).history
    place.ring.move(name, KeyState.DESTROYED, BEGIN)
    again = place.open_again()
    assert again.info(name).history[:-1] == history
    assert {info.kid for info in again.keys()} == {name, other}  # noqa: SIM118 - no dict
    with pytest.raises(KeyLifecycleError):
        again.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    again.signer(other, purpose=Purpose.CODE, region="610000", clock=at(BEGIN)).sign(b"message")


def test_key_that_is_not_there_is_missing(place: Place) -> None:
    """Asking for an unknown kid says so, whatever is asked."""
    place.key()
    with pytest.raises(KeystoreMissingError):
        place.ring.info(UNKNOWN)
    with pytest.raises(KeystoreMissingError):
        place.ring.signer(UNKNOWN, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    with pytest.raises(KeystoreMissingError):
        place.ring.move(UNKNOWN, KeyState.ACTIVE, BEGIN)


@pytest.mark.parametrize(
    ("region", "begin", "end"),
    [("61000", 1, 2), ("61000a", 1, 2), ("610000", 2, 2), ("610000", 3, 2)],
)
def test_new_key_that_makes_no_sense_is_a_value_error_and_leaves_nothing(
    place: Place, region: str, begin: int, end: int
) -> None:
    """A wrong call makes no key."""
    with pytest.raises(ValueError, match=r"six digits|ends after"):
        place.ring.new(Purpose.CODE, region, begin, end, now=BORN)
    assert place.ring.keys() == ()


def test_changed_byte_of_a_record_is_noticed(place: Place) -> None:
    """No byte of a record can change unnoticed: not the state, not the window, not the purpose."""
    name = place.key()
    path = place.folder / f"{name.hex()}.key"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(KeystoreDamagedError):
            place.ring.info(name)


def test_records_that_changed_places_are_noticed(place: Place) -> None:
    """A compromised key does not become active by exchanging two files."""
    first, second = (place.folder / f"{place.key().hex()}.key" for _ in range(2))
    second.write_bytes(first.read_bytes())
    with pytest.raises(KeystoreDamagedError):
        place.ring.keys()


def test_signers_in_many_threads_all_sign_well(place: Place) -> None:
    """Eight threads with two keys, of rings opened apart, each get their own signature."""
    names = place.key(), place.key()
    signers = [
        ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
        for ring, name in zip((place.ring, place.open_again()), names, strict=True)
    ]

    def work(number: int) -> None:
        signer, message = signers[number % 2], number.to_bytes(4)
        ed25519.verify(signer.sign(message), message, signer.public_key)

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(work, range(400)))) == 400


def test_record_of_the_same_key_is_not_written_over(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if randomness repeats itself, an existing record and its key stay as they are."""
    name = place.key()
    before = place.ring.info(name)
    path = place.folder / f"{name.hex()}.key"
    monkeypatch.setattr("keys.store._key_file", lambda _: path.name)
    with pytest.raises(KeystoreExistsError):
        place.ring.new(Purpose.CODE, "610000", BEGIN, END, now=BORN)
    monkeypatch.undo()
    assert place.ring.info(name) == before
    signer = place.ring.signer(name, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    ed25519.verify(signer.sign(b"message"), b"message", before.public_key)
