"""A folder whose files change all together or not at all. Shell.

    lists-000012/...   one generation: complete, never changed once it is current
    current            the name of the generation that counts, replaced by one rename
    lock               held by whoever makes the next generation

A reader reads `current`, then from that generation; the one before stays until the next change,
so a reader never finds its files gone. A crash leaves at most a generation that nothing names.
Readers take no lock, and need no right to write.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from verifier.errors import CacheError

__all__ = ["NOT_SET_UP", "Folder", "Generation", "damaged"]

_CURRENT: Final = "current"
_LOCK: Final = "lock"
_PREFIX: Final = "lists-"
_WORLD_WRITABLE: Final = 0o002
NOT_SET_UP: Final = "not set up yet; see celadon-verify setup --help"
_MODE_FILE: Final = 0o644  # everything in here is published; nobody else may change it
_MODE_FOLDER: Final = 0o755
_MODE_LOCK: Final = 0o600  # whoever may read it could lock it, for ever


class Folder:
    """Files by relative name, with forward slashes, at most one level deep."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def create(self) -> None:
        """Make the folder, where there is none yet."""
        os.makedirs(self.path, _MODE_FOLDER, exist_ok=True)

    def stamp(self) -> tuple[int, int] | None:
        """Something that is different after each change; None before the first."""
        try:
            status = os.stat(os.path.join(self.path, _CURRENT))
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino

    def current(self) -> "Generation":
        """The generation that counts now; one without files before the first.

        Raises:
            CacheError: There is no such folder, or anybody may change it, or it is damaged.
        """
        try:
            mode = os.stat(self.path).st_mode
        except FileNotFoundError:
            raise CacheError(f"{self.path}: {NOT_SET_UP}") from None
        except OSError as error:
            raise CacheError(f"{self.path}: {error.strerror}") from error
        if mode & _WORLD_WRITABLE and os.name != "nt":
            raise CacheError(f"{self.path}: anybody may write here; chmod o-w it first")
        name = _read(os.path.join(self.path, _CURRENT), 64)
        if name is None:
            return Generation(None)
        text = name.decode("ascii", "replace").removesuffix("\n")
        if not _is_generation(text):
            raise damaged(self.path, _CURRENT)
        return Generation(os.path.join(self.path, text))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to change, until the process ends at the latest.

        Raises:
            CacheError: Another process holds it, or there is no such folder.
        """
        path = os.path.join(self.path, _LOCK)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _MODE_LOCK)
        except FileNotFoundError:
            raise CacheError(f"{self.path}: {NOT_SET_UP}") from None
        try:
            _lock_now(descriptor)
            yield
        finally:
            os.close(descriptor)

    def change(self, changed: Mapping[str, bytes], *, dropped: frozenset[str]) -> None:
        """Put *changed* in, take *dropped* out, keep the rest: all of it or nothing. Hold the lock.

        Raises:
            OSError: The disk failed. What is current is whole: the old, or, where the very last
                step failed, the new.
        """
        before = self.current()
        # What a crash or a full disk left half made: no reader was ever sent there.
        self._tidy(lambda number: number > before.number)
        after = f"{_PREFIX}{max(self._generations().values(), default=0) + 1:06d}"
        kept = before.all_names() - changed.keys() - dropped
        _fill(os.path.join(self.path, after), before, kept, changed)
        _sync_folder(self.path)
        pointer = os.path.join(self.path, _CURRENT)
        with suppress(FileNotFoundError):
            os.unlink(pointer + ".new")
        _write(pointer + ".new", after.encode() + b"\n")
        os.replace(pointer + ".new", pointer)
        _sync_folder(self.path)
        self._tidy(lambda number: number < before.number)

    def _tidy(self, unused: Callable[[int], bool]) -> None:
        """Remove these generations. What cannot be removed now is removed with the next change."""
        for name, number in self._generations().items():
            if unused(number):
                with suppress(OSError):
                    _remove_tree(os.path.join(self.path, name))

    def _generations(self) -> dict[str, int]:
        """Number of each generation that there is, whole or not."""
        return {name: _number(name) for name in os.listdir(self.path) if _is_generation(name)}


class Generation:
    """Files that belong together and never change. Readable until the change after the next."""

    __slots__ = ("number", "path")

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.number = 0 if path is None else _number(os.path.basename(path))

    def read(self, name: str, *, max_bytes: int) -> bytes | None:
        """The bytes of a file, or None where there is no such file.

        Raises:
            CacheError: It cannot be read, or is longer than *max_bytes*.
        """
        if self.path is None:
            return None
        return _read(os.path.join(self.path, name), max_bytes)

    def names(self, part: str) -> list[str]:
        """Names of the files in the sub-folder *part*, in order."""
        if self.path is None:
            return []
        try:
            return sorted(os.listdir(os.path.join(self.path, part)))
        except FileNotFoundError:
            return []

    def all_names(self) -> set[str]:
        """Names of all files, with their sub-folder."""
        if self.path is None:
            return set()
        return {
            os.path.relpath(os.path.join(where, name), self.path).replace(os.sep, "/")
            for where, _, names in os.walk(self.path)
            for name in names
        }


def damaged(path: str, name: str) -> CacheError:
    """What to say of a folder that lost what it may not forget: it is not mended in place."""
    return CacheError(f"{path}: {name} is damaged; remove {path} and set up again")


def _is_generation(name: str) -> bool:
    digits = name[len(_PREFIX) :]
    return name.startswith(_PREFIX) and digits.isascii() and digits.isdigit()


def _number(name: str) -> int:
    return int(name[len(_PREFIX) :])


def _read(path: str, max_bytes: int) -> bytes | None:
    try:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CacheError(f"{path}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise CacheError(f"{path}: longer than {max_bytes} bytes")
    return data


def _write(path: str, data: bytes) -> None:
    """A new file, on the disk when this returns."""
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _MODE_FILE
    )
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fill(target: str, before: Generation, kept: set[str], changed: Mapping[str, bytes]) -> None:
    """Make the next generation, on the disk when this returns."""
    folders = {target, *(os.path.dirname(os.path.join(target, name)) for name in {*kept, *changed})}
    for folder in sorted(folders):
        os.mkdir(folder, _MODE_FOLDER)
    for name in sorted(kept):
        _carry(os.path.join(before.path or "", name), os.path.join(target, name))
    for name, data in changed.items():
        _write(os.path.join(target, name), data)
    for folder in folders:
        _sync_folder(folder)


def _carry(source: str, target: str) -> None:
    """The same bytes in the next generation: a second name, or a copy where names are single."""
    try:
        os.link(source, target)
    except OSError:
        with open(source, "rb") as file:
            _write(target, file.read())


def _remove_tree(folder: str) -> None:
    for where, _, names in os.walk(folder, topdown=False):
        for name in names:
            os.unlink(os.path.join(where, name))
        os.rmdir(where)


def _sync_folder(path: str) -> None:
    """Make names durable; Windows does so by itself and does not open folders."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock_now(descriptor: int) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - one of the two exists

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - one of the two exists

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # the second is Windows' word for it
        raise CacheError(
            "another update is running in this folder; try again in a minute"
        ) from error
