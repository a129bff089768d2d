"""What a disk may hold after a crash: every part of what was not synced yet may be lost or torn.

`Recorder` stands in for a module's `os`, does what it is asked for and keeps a log of it. `crashes`
replays the log up to any call, loses some of what was not synced, and gives the trees that may be
found after it. The model is that of POSIX without any order: data is on the disk after fsync of the
file, a name after fsync of its folder, and before that every part of it may be, or may not.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Op", "Recorder", "crashes", "materialise", "tree"]

#: The calls that change a disk, or that fail when it does.
CALLS: Final = ("mkdir", "open", "write", "fsync", "close", "link", "replace", "unlink", "rmdir")

#: Relative names to contents; None is a folder.
Tree = dict[str, bytes | None]


class Op(NamedTuple):
    """One call: what, on which name, and the other name or the bytes."""

    call: str
    path: str
    other: str = ""
    data: bytes = b""


class Recorder:
    """The os module, watched: what it is asked to change below *root* is logged.

    Args:
        root: Names in the log are relative to it.
        before: Called with the number of each call, from 1, and its name; may raise.
    """

    def __init__(self, root: Path, before: Callable[[int, str], None] | None = None) -> None:
        self.log: list[Op] = []
        self.calls = 0
        self._root = root
        self._before = before or (lambda _number, _name: None)
        self._names: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any part of the module
        original = getattr(os, name)
        if name not in CALLS:
            return original

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            self.calls += 1
            self._before(self.calls, name)
            # No living process can tell whether a sync happened; the model does what it means.
            result = None if name == "fsync" else original(*args, **kwargs)
            self._note(name, args, result)
            return result

        return call

    def _note(self, call: str, args: Sequence[Any], result: Any) -> None:  # noqa: ANN401
        match call:
            case "open":
                self._names[result] = self._relative(args[0])
                if args[1] & os.O_CREAT:
                    self.log.append(Op("create", self._names[result]))
            case "write":
                self.log.append(Op("write", self._names[args[0]], data=bytes(args[1][:result])))
            case "fsync":
                self.log.append(Op("fsync", self._names[args[0]]))
            case "close":
                pass
            case "link" | "replace":
                self.log.append(Op(call, self._relative(args[1]), self._relative(args[0])))
            case _:
                self.log.append(Op(call, self._relative(args[0])))

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root)


# --- the model ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    """Something that may be lost: a name in a folder, or bytes of a file.

    Attributes:
        folder: Whose fsync makes it last; for bytes the file's number.
        names: Names that it sets (to a file's number or a folder's) or takes away (None).
        data: Bytes that it adds to file *file*.
    """

    folder: str
    names: tuple[tuple[str, int | None], ...] = ()
    file: int = -1
    data: bytes = b""


@dataclass
class _Disk:
    """What lasts, and what may be lost, in order. Number 0 is a folder, others are files."""

    names: dict[str, int]
    files: dict[int, bytes]
    pending: list[_Change] = field(default_factory=list)
    present: dict[str, int] = field(default_factory=dict)

    def run(self, op: Op) -> None:
        match op.call:
            case "create" if op.path in self.present:
                pass
            case "create":
                number = max(self.files, default=0) + 1
                self.files[number] = b""
                self._name(op.path, number)
            case "mkdir":
                self._name(op.path, 0)
            case "write":
                self.pending.append(_Change("", file=self.present[op.path], data=op.data))
            case "link":
                self._name(op.path, self.present[op.other])
            case "replace":
                number = self.present.pop(op.other)
                self.present[op.path] = number
                self._pend(op.path, (op.path, number), (op.other, None))
            case "unlink" | "rmdir":
                del self.present[op.path]
                self._pend(op.path, (op.path, None))
            case "fsync":
                self._sync(op.path)
            case _:
                raise AssertionError(op)

    def _name(self, path: str, number: int) -> None:
        self.present[path] = number
        self._pend(path, (path, number))

    def _pend(self, path: str, *names: tuple[str, int | None]) -> None:
        self.pending.append(_Change(str(Path(path).parent), names))

    def _sync(self, path: str) -> None:
        number = self.present.get(path, 0)
        lasts = [
            change
            for change in self.pending
            if (change.file == number if number else change.file < 0 and change.folder == path)
        ]
        self.apply(lasts)
        self.pending = [change for change in self.pending if change not in lasts]

    def apply(self, changes: Sequence[_Change]) -> None:
        for change in changes:
            if change.file >= 0:
                self.files[change.file] += change.data
            for name, number in change.names:
                if number is None:
                    self.names.pop(name, None)
                else:
                    self.names[name] = number

    def after(self, survives: Sequence[_Change]) -> Tree:
        """What is found when of the pending changes these were on the disk."""
        disk = _Disk(dict(self.names), dict(self.files))
        disk.apply(survives)
        found: Tree = {}
        for name in sorted(disk.names):  # a name in a folder that is not there is not there
            parent = str(Path(name).parent)
            if parent == "." or parent in found:
                number = disk.names[name]
                found[name] = disk.files[number] if number else None
        return found


def crashes(before: Tree, log: Sequence[Op]) -> Iterator[tuple[int, Tree]]:
    """Every tree that a crash can leave, with the number of calls that had been made.

    Of what is pending at each call: all of it survived, nothing, each change alone, all but one,
    and all with one write torn.
    """
    disk = _Disk({}, {})
    for name, data in before.items():
        number = 0 if data is None else len(disk.files) + 1
        disk.names[name] = disk.present[name] = number
        if data is not None:
            disk.files[number] = data
    for number in range(len(log) + 1):
        if number:
            disk.run(log[number - 1])
        for survives in _subsets(disk.pending):
            yield number, disk.after(survives)


def _subsets(pending: list[_Change]) -> Iterator[list[_Change]]:
    yield []
    yield pending
    for position, change in enumerate(pending):
        yield [change]
        yield pending[:position] + pending[position + 1 :]
        if change.data:
            torn = replace(change, data=change.data[: len(change.data) // 2])
            yield [*pending[:position], torn, *pending[position + 1 :]]


def tree(folder: Path) -> Tree:
    """All that lies below a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def materialise(found: Tree, folder: Path) -> None:
    """Write a tree to a real folder."""
    folder.mkdir(mode=0o755)
    for name, data in found.items():
        if data is None:
            (folder / name).mkdir(mode=0o755)
        else:
            (folder / name).write_bytes(data)
