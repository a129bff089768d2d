"""Files written whole or not at all: private ones that nobody else can read, and public. Shell.

A file that is replaced or removed is overwritten first where it lay. On disks and file systems
that write elsewhere (flash, copy on write) that is no guarantee: what lies there is ciphertext.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from keys.errors import KeystoreDamagedError, KeystoreMissingError, KeystorePermissionError

__all__ = [
    "TEMPORARY", "first_line", "locked", "read_private", "replace_public", "require_private_folder",
    "write_private",
]  # fmt: skip

#: Files of this beginning are what a crash left; nothing reads them.
TEMPORARY: Final = ".new-"
_OTHERS: Final = 0o077
_PUBLIC_MODE: Final = 0o644
_PUBLIC_FOLDER_MODE: Final = 0o755
_MAX_BYTES: Final = 1 << 16


def first_line(data: bytes) -> bytes:
    """A secret that stands alone in a file, without the end that an editor gave its line."""
    return data.partition(b"\n")[0].removesuffix(b"\r")


def require_private_folder(folder: Path) -> None:
    """Raise unless *folder* is a folder that only this user can enter.

    Raises:
        KeystoreMissingError: It is not there.
        KeystorePermissionError: Others can look into it, or own it.
    """
    try:
        status = folder.stat()
    except OSError as error:
        raise KeystoreMissingError(f"no keystore at {folder}: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise KeystoreMissingError(f"no keystore at {folder}: not a folder")
    _require_private(status, folder)


def _require_private(status: os.stat_result, path: Path) -> None:
    if status.st_mode & _OTHERS:
        raise KeystorePermissionError(
            f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"chmod go= {path}"
        )
    if status.st_uid != os.geteuid():
        raise KeystorePermissionError(f"{path} belongs to another user")


def read_private(path: Path) -> bytes:
    """The content of a regular file that nobody else can read.

    Raises:
        KeystoreMissingError: It is not there.
        KeystorePermissionError: Others can read or write it, or it is a link.
        KeystoreDamagedError: It is too large to be ours.
    """
    content: bytes | None = None
    while content is None:
        content = _read_while_named(path)
    if len(content) > _MAX_BYTES:
        raise KeystoreDamagedError(f"{path.name} has more than {_MAX_BYTES} bytes")
    return content


def _read_while_named(path: Path) -> bytes | None:
    """The content, or None where another file took the name meanwhile, and this one is zeros."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise KeystoreMissingError(f"{path.name} is not in the keystore") from error
    except OSError as error:
        raise KeystorePermissionError(f"{path}: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeystorePermissionError(f"{path} is not a regular file")
        _require_private(status, path)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(_MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    return content if _leads_to(path, status) else None


def _leads_to(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), status)
    except FileNotFoundError:
        return False


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Writing to a full disk fails without a name; an operator has more than one disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_private(path: Path, content: bytes, *, token: str) -> None:
    """Put *content* at *path*, mode 0600: durable on return, and at no moment half a file.

    *token* is random hex for the name under which the file is written first.
    """
    temporary = path.with_name(TEMPORARY + token)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with _named(path), open(descriptor, "wb") as file:  # noqa: PTH123 - by descriptor, as created
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        with _old(path) as old:
            temporary.replace(path)
            _sync_folder(path.parent)
            if old is not None:
                _overwrite(old)
    finally:
        temporary.unlink(missing_ok=True)


def replace_public(path: Path, content: bytes) -> None:
    """Put *content* there for everybody to read: wholly and durably, or leave what was.

    Several may do so at once: each writes a draft of its own.
    """
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(_PUBLIC_FOLDER_MODE)
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}.new")
    try:
        with _named(path), draft.open("xb") as file:
            os.fchmod(file.fileno(), _PUBLIC_MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


@contextmanager
def _old(path: Path) -> Iterator[int | None]:
    """A descriptor of the file that is about to lose its name, or None."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _overwrite(descriptor: int) -> None:
    os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One at a time holds *path*; others wait. A folder is held to change its files."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
