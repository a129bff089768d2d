"""keys.store: what is at rest stays secret and whole, and every key keeps to its record."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from keys import cbor, ed25519, files
from keys.errors import (
    KeyLifecycleError,
    KeyPurposeError,
    KeyStateError,
    KeystoreDamagedError,
    KeystoreError,
    KeystoreExistsError,
    KeystoreMissingError,
    KeystorePassphraseError,
    KeystorePermissionError,
    KeyTransitionError,
    KeyWindowError,
)
from keys.lifecycle import Environment, KeyState, Purpose
from keys.sealing import MODERATE_MEM, MODERATE_OPS
from keys.signer import SeedSigner
from keys.store import Keystore
from tests.keystore_support import PASSPHRASE, at, counted, make_store

BORN, BEGIN, END = 50, 100, 200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keystore"


@pytest.fixture
def store(folder: Path) -> Keystore:
    return make_store(folder)


def _active(store: Keystore, purpose: Purpose = Purpose.CODE) -> bytes:
    kid = store.new(purpose, "610000", BEGIN, END, now=BORN).kid
    store.move(kid, KeyState.ACTIVE, BORN)
    return kid


def test_keys_and_secrets_are_there_after_opening_again(store: Keystore, folder: Path) -> None:
    """What was made once is made for good: records, seeds, secrets, environment."""
    kid = _active(store)
    secret = store.new_secret("pepper")
    again = Keystore.open(folder, PASSPHRASE)
    assert again.keys() == store.keys()
    assert again.environment is Environment.TEST
    assert again.secret("pepper") == secret
    signer = again.signer(kid, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    assert signer.kid == kid == again.info(kid).kid
    ed25519.verify(signer.sign(b"message"), b"message", again.info(kid).public_key)


def test_signer_obeys_purpose_state_and_window(store: Keystore) -> None:
    """No signer comes out for another purpose, another time, or a key that is not active."""
    kid = _active(store)
    for purpose, now, error in (
        (Purpose.STATUS, BEGIN, KeyPurposeError),
        (Purpose.CODE, END, KeyWindowError),
    ):
        with pytest.raises(error):
            store.signer(kid, purpose=purpose, region="610000", clock=at(now))
    fresh = store.new(Purpose.CODE, "610000", BEGIN, END, now=BORN).kid
    with pytest.raises(KeyStateError):
        store.signer(fresh, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))


def test_compromise_in_one_process_stops_the_signers_of_another(
    store: Keystore, folder: Path
) -> None:
    """A keystore opened earlier gives no new signer for a key that was reported meanwhile."""
    kid = _active(store)
    Keystore.open(folder, PASSPHRASE).move(kid, KeyState.COMPROMISED, BEGIN)
    with pytest.raises(KeyStateError, match="compromised"):
        store.signer(kid, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))


def test_move_that_is_not_allowed_changes_nothing(store: Keystore, folder: Path) -> None:
    """A refused move leaves the file as it was."""
    kid = _active(store)
    store.move(kid, KeyState.COMPROMISED, BEGIN)
    before = (folder / f"{kid.hex()}.key").read_bytes()
    with pytest.raises(KeyTransitionError):
        store.move(kid, KeyState.ACTIVE, BEGIN)
    assert (folder / f"{kid.hex()}.key").read_bytes() == before


def test_record_that_is_replaced_while_it_is_read_is_read_again(
    store: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that lost its name is overwritten: its reader takes that for no damage."""
    kid = _active(store)
    moves = [KeyState.SUSPENDED]
    opened = os.fstat

    def moved_meanwhile(descriptor: int) -> os.stat_result:
        if moves:
            store.move(kid, moves.pop(), BEGIN)
        return opened(descriptor)

    monkeypatch.setattr(os, "fstat", moved_meanwhile)
    assert store.info(kid).state is KeyState.SUSPENDED


def test_destroyed_key_is_overwritten_and_its_record_kept(store: Keystore, folder: Path) -> None:
    """The old file's bytes are zeros where they lay, and no seed is in the new file."""
    kid = _active(store)
    path = folder / f"{kid.hex()}.key"
    witness = folder.parent / "witness"
    witness.hardlink_to(path)
    old = witness.read_bytes()
    info = store.move(kid, KeyState.DESTROYED, BEGIN)
    assert witness.read_bytes() == bytes(len(old))
    assert witness.stat().st_ino != path.stat().st_ino
    assert len(path.read_bytes()) < len(old)
    assert Keystore.open(folder, PASSPHRASE).info(kid) == info
    with pytest.raises(KeyLifecycleError):
        store.signer(kid, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))


def test_nothing_in_the_folder_shows_a_seed_a_secret_or_the_passphrase(folder: Path) -> None:
    """No file holds a seed, a public key, a named secret or the passphrase in the clear."""
    made: list[bytes] = []
    plain = counted()

    def noted(length: int) -> bytes:
        made.append(plain(length))
        return made[-1]

    store = Keystore.create(folder, PASSPHRASE, ops=1, mem=8192, randomness=noted)
    kid = _active(store)
    store.new_secret("pepper")
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    hidden = [value for value in made if len(value) == 32]
    assert len(hidden) == 3  # the master key, a seed, a secret
    for value in (*hidden, PASSPHRASE.encode(), store.info(kid).public_key):
        assert value not in content


def test_files_are_private_whatever_the_umask(folder: Path) -> None:
    """Folder 0700, files 0600, even where everybody may read by default."""
    before = os.umask(0)
    try:
        _active(make_store(folder))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
@pytest.mark.parametrize("name", ["master", "key", "secret"])
def test_open_file_that_others_can_use_is_refused(
    store: Keystore, folder: Path, name: str, mode: int
) -> None:
    """One file open to a group or the world is enough to refuse, and the message names it."""
    kid = _active(store)
    store.new_secret("pepper")
    path = folder / {"master": "master", "key": f"{kid.hex()}.key", "secret": "pepper.secret"}[name]
    path.chmod(mode)
    with pytest.raises(KeystorePermissionError, match=path.name):
        Keystore.open(folder, PASSPHRASE)


def test_open_folder_that_others_can_use_is_refused(store: Keystore, folder: Path) -> None:
    """So is a folder that others can look into, also when it is to hold a new keystore."""
    _active(store)
    folder.chmod(0o755)
    with pytest.raises(KeystorePermissionError, match="mode 0755"):
        Keystore.open(folder, PASSPHRASE)
    with pytest.raises(KeystorePermissionError):
        make_store(folder)


def test_open_link_instead_of_a_file_is_refused(store: Keystore, folder: Path) -> None:
    """A file that is a link, or no regular file, is not read."""
    kid = _active(store)
    path = folder / f"{kid.hex()}.key"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")
    with pytest.raises(KeystorePermissionError):
        Keystore.open(folder, PASSPHRASE)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeystorePermissionError, match="not a regular file"):
        Keystore.open(folder, PASSPHRASE)
    path.unlink()
    path.mkdir()
    with pytest.raises(KeystorePermissionError, match=r"\.key is not a regular file"):
        Keystore.open(folder, PASSPHRASE)


def test_open_with_a_wrong_passphrase_is_refused(store: Keystore, folder: Path) -> None:
    """A wrong passphrase is told from a damaged file as far as that can be."""
    _active(store)
    for wrong in ("", PASSPHRASE + " ", PASSPHRASE.upper()):
        with pytest.raises(KeystorePassphraseError):
            Keystore.open(folder, wrong)


def test_open_with_another_spelling_of_the_same_passphrase_works(folder: Path) -> None:
    """One character typed as one or as two code points is one character."""
    Keystore.create(folder, "caf\u00e9 au lait", ops=1, mem=8192)
    assert Keystore.open(folder, "cafe\u0301 au lait").keys() == ()


@pytest.mark.parametrize("name", ["master", "key", "secret"])
def test_open_truncated_file_is_refused(store: Keystore, folder: Path, name: str) -> None:
    """No beginning of a file passes for the file."""
    kid = _active(store)
    store.new_secret("pepper")
    path = folder / {"master": "master", "key": f"{kid.hex()}.key", "secret": "pepper.secret"}[name]
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(KeystoreDamagedError):
            Keystore.open(folder, PASSPHRASE)


def test_open_files_that_changed_places_are_refused(store: Keystore, folder: Path) -> None:
    """A file under another file's name is noticed."""
    first, second = (folder / f"{_active(store).hex()}.key" for _ in range(2))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(KeystoreDamagedError, match="exchanged"):
        Keystore.open(folder, PASSPHRASE)


@pytest.fixture(scope="module")
def whole() -> Iterator[dict[str, bytes]]:
    with TemporaryDirectory() as place:
        folder = Path(place) / "keystore"
        store = make_store(folder)
        _active(store)
        destroyed = _active(store, Purpose.STATUS)
        store.move(destroyed, KeyState.DESTROYED, BEGIN)
        store.new_secret("pepper")
        yield {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_open_any_changed_byte_of_any_file_is_noticed(
    whole: dict[str, bytes], data: st.DataObject
) -> None:
    """No byte of a keystore can change unnoticed, in any file."""
    name = data.draw(st.sampled_from(sorted(whole)))
    place = data.draw(st.integers(0, len(whole[name]) - 1))
    changed = bytearray(whole[name])
    changed[place] ^= data.draw(st.integers(1, 255))
    with TemporaryDirectory() as elsewhere:
        folder = Path(elsewhere)
        for other, content in whole.items():
            path = folder / other
            path.write_bytes(bytes(changed) if other == name else content)
            path.chmod(0o600)
        with pytest.raises(KeystoreError):
            Keystore.open(folder, PASSPHRASE)


def test_argon2id_runs_once_for_each_opening(
    store: Keystore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many keys there are, the passphrase is stretched once."""
    kids = [_active(store) for _ in range(5)]
    calls = []
    stretch = bindings.crypto_pwhash_alg

    def noted(*arguments: Any) -> bytes:  # noqa: ANN401 - as libsodium's own
        calls.append(arguments[3:5])
        return stretch(*arguments)

    monkeypatch.setattr(bindings, "crypto_pwhash_alg", noted)
    again = Keystore.open(folder, PASSPHRASE)
    for kid in kids:
        again.signer(kid, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    assert calls == [(1, 8192)]


def test_argon2id_limits_are_moderate_unless_asked_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says nothing gets libsodium's MODERATE limits."""
    calls = []

    def noted(*arguments: object) -> bytes:
        calls.append(arguments[3:5])
        return bytes(32)

    monkeypatch.setattr(bindings, "crypto_pwhash_alg", noted)
    Keystore.create(folder, PASSPHRASE)
    assert calls == [(MODERATE_OPS, MODERATE_MEM)]


@pytest.mark.parametrize(("ops", "mem"), [(0, 8192), (17, 8192), (1, 8191), (1, (1 << 30) + 1)])
def test_create_with_limits_out_of_range_is_a_value_error(folder: Path, ops: int, mem: int) -> None:
    """No keystore is made that could not be opened again."""
    with pytest.raises(ValueError, match="out of range"):
        Keystore.create(folder, PASSPHRASE, ops=ops, mem=mem)
    with pytest.raises(ValueError, match="empty"):
        Keystore.create(folder, "")


def test_create_over_something_else_is_refused(store: Keystore, folder: Path) -> None:
    """Neither a keystore nor other files are ever written over."""
    with pytest.raises(KeystoreExistsError):
        make_store(folder)
    kid = _active(store)
    store.new_secret("pepper")
    with pytest.raises(KeystoreExistsError):
        store.new_secret("pepper")
    assert store.keys() == (store.info(kid),)


def test_create_after_a_crash_while_creating_works(folder: Path) -> None:
    """What was written first under another name keeps nobody from trying again."""
    folder.mkdir(0o700)
    (folder / f"{files.TEMPORARY}0123").write_bytes(b"half")
    make_store(folder)
    assert Keystore.open(folder, PASSPHRASE).keys() == ()
    assert [path.name for path in folder.iterdir()] == ["master"]


def test_create_while_another_creates_in_the_folder_never_replaces_it(folder: Path) -> None:
    """Of two that make a keystore in one folder, one does, and its keys stay readable."""
    calls = iter(range(99))

    def interrupted(length: int) -> bytes:
        if next(calls) == 1:  # after the look at the folder, before anything is written
            make_store(folder).new_secret("pepper")
        return bytes(length)

    with pytest.raises(KeystoreExistsError):
        Keystore.create(folder, "another one", ops=1, mem=8192, randomness=interrupted)
    assert len(Keystore.open(folder, PASSPHRASE).secret("pepper")) == 32


def test_open_what_is_not_there_is_missing(store: Keystore, folder: Path, tmp_path: Path) -> None:
    """Folders, keys and secrets that do not exist are named as missing."""
    with pytest.raises(KeystoreMissingError, match="nowhere"):
        Keystore.open(tmp_path / "nowhere", PASSPHRASE)
    with pytest.raises(KeystoreMissingError):
        Keystore.open(folder / "master", PASSPHRASE)
    with pytest.raises(KeystoreMissingError):
        store.signer(b"\0\0\0\0", purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    with pytest.raises(KeystoreMissingError):
        store.secret("pepper")


@pytest.mark.parametrize("name", ["", "../master", "a/b", "A", "a.b", "a" * 65, "-a", "密"])
def test_secret_of_a_name_that_is_not_ours_is_a_value_error(store: Keystore, name: str) -> None:
    """A name cannot lead out of the folder."""
    with pytest.raises(ValueError, match="a-z"):
        store.new_secret(name)
    with pytest.raises(ValueError, match="a-z"):
        store.secret(name)


def test_open_something_foreign_in_the_folder_is_refused(store: Keystore, folder: Path) -> None:
    """A file that nobody here wrote is not passed over in silence."""
    _active(store)
    (folder / "notes.txt").write_text("?")
    with pytest.raises(KeystoreDamagedError, match=r"notes\.txt"):
        Keystore.open(folder, PASSPHRASE)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_crash_while_saving_leaves_the_old_state_or_the_new(
    store: Keystore, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Wherever writing stops, the next opening finds the key as it was or as it was to be."""
    kid = _active(store)
    before = store.info(kid)

    def stop(*_: object, **__: object) -> None:
        raise OSError("stopped")

    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", stop)
        else:
            patch.setattr(Path, "replace", stop)
        patch.setattr(Path, "unlink", stop)  # a crash tidies nothing up
        with pytest.raises(OSError, match="stopped"):
            store.move(kid, KeyState.COMPROMISED, BEGIN)
    assert any(path.name.startswith(files.TEMPORARY) for path in folder.iterdir())
    again = Keystore.open(folder, PASSPHRASE)
    assert again.info(kid) == before
    assert not any(path.name.startswith(files.TEMPORARY) for path in folder.iterdir())
    assert again.move(kid, KeyState.COMPROMISED, BEGIN).state is KeyState.COMPROMISED


def test_repr_shows_no_secret(store: Keystore) -> None:
    """Tracebacks and logs may print these objects."""
    kid = _active(store)
    signer = store.signer(kid, purpose=Purpose.CODE, region="610000", clock=at(BEGIN))
    seed_free = repr(signer) + repr(signer._signer) + repr(store._master)
    assert store._master.key.hex() not in seed_free
    assert repr(store._master.key) not in seed_free


RECORD: list[object] = [
    SeedSigner(bytes(range(32))).public_key, "code", "test", "610000", BEGIN, END,
    [["active", BORN]], None, bytes(range(32)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, bytes(32)), (0, "key"), (1, "everything"), (2, "demo"), (4, "100"), (6, []),
     (6, [["asleep", BORN]]), (6, [[BORN, "active"]]), (6, "active"), (7, "soon"),
     (8, bytes(31)), (8, None)],
    ids=str,
)  # fmt: skip
def test_record_sealed_well_but_of_another_shape_is_refused(
    store: Keystore, folder: Path, place: int, value: object
) -> None:
    """Also what the right key sealed is read strictly: a later version, or a bug of ours."""
    name = "00000000.key"
    store._seal(name, cbor.encode(RECORD))
    assert Keystore.open(folder, PASSPHRASE).info(bytes(4)).state is KeyState.ACTIVE
    store._seal(name, cbor.encode([*RECORD[:place], value, *RECORD[place + 1 :]]))
    with pytest.raises(KeystoreDamagedError):
        Keystore.open(folder, PASSPHRASE)


def test_open_file_of_another_user_or_far_too_large_is_refused(
    store: Keystore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that somebody else owns is not ours, nor is one of 64 KiB and more."""
    kid = _active(store)
    path = folder / f"{kid.hex()}.key"
    path.write_bytes(bytes((1 << 16) + 1))
    with pytest.raises(KeystoreDamagedError, match="more than 65536 bytes"):
        Keystore.open(folder, PASSPHRASE)
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(KeystorePermissionError, match="another user"):
        Keystore.open(folder, PASSPHRASE)


@pytest.mark.parametrize("mask", [0o077, 0o022, 0])
def test_public_file_is_for_everybody_to_read_and_for_nobody_to_change(
    tmp_path: Path, mask: int
) -> None:
    """What a hardened service writes can be read by the web server that gives it to everybody."""
    before = os.umask(mask)
    try:
        files.replace_public(tmp_path / "status" / "1.cwt", b"list")
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("status", "status/1.cwt")]
    assert modes == [0o755, 0o644]


def test_public_file_that_two_write_at_once_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list's keepers and a running issuer write the same file; each time it is one of theirs."""
    path = tmp_path / "trust-list.cbor"
    seen: list[bytes] = []
    sync = os.fsync

    def meanwhile(descriptor: int) -> None:
        if not seen:
            seen.append(b"")
            files.replace_public(path, b"the other's")
            seen.append(path.read_bytes())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", meanwhile)
    files.replace_public(path, b"ours")
    assert (seen[1], path.read_bytes()) == (b"the other's", b"ours")
    assert list(tmp_path.iterdir()) == [path]


def test_public_file_that_cannot_be_written_leaves_what_was_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk does not fill with drafts, and its error names the file."""
    path = tmp_path / "trust-list.cbor"
    path.write_bytes(b"before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as caught:
        files.replace_public(path, b"after")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_public_draft_that_somebody_linked_elsewhere_is_not_followed(tmp_path: Path) -> None:
    """Who may write into the folder does not choose what the publisher overwrites."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    public = tmp_path / "public"
    public.mkdir()
    (public / ".trust-list.cbor.new").symlink_to(victim)
    files.replace_public(public / "trust-list.cbor", b"list")
    assert victim.read_bytes() == b"precious"
    assert (public / "trust-list.cbor").read_bytes() == b"list"
