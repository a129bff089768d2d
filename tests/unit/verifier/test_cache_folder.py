"""The folder changes all together or not at all, whatever step it dies at (C81, D1, D2)."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verifier import folder as module
from verifier.errors import CacheError
from verifier.folder import Folder

OLD = {"trust-list.cbor": b"trust 1", "status/1.cwt": b"list 1, old", "status/2.cwt": b"list 2"}
CHANGE = {"trust-list.cbor": b"trust 2", "status/1.cwt": b"list 1, new", "status/3.cwt": b"list 3"}
NEW = {**CHANGE, "roots.cbor": b"roots"}
STEPS = ("mkdir", "open", "write", "fsync", "close", "link", "replace", "unlink", "rmdir")


def held(folder: Folder) -> dict[str, bytes]:
    """All current files."""
    current = folder.current()
    contents = {name: current.read(name, max_bytes=99) for name in current.all_names()}
    return {name: data for name, data in contents.items() if data is not None}


def filled(path: Path) -> Folder:
    folder = Folder(str(path))
    folder.create()
    folder.change({**OLD, "roots.cbor": b"roots"}, dropped=frozenset())
    return folder


def change(folder: Folder) -> None:
    folder.change(CHANGE, dropped=frozenset({"status/2.cwt"}))


class Crashed(BaseException):
    """The process is gone: nothing that catches errors sees it."""


class Os:
    """The os module, dead from one of its steps on, which happens wholly, half or not at all."""

    def __init__(self, dies_at: int, *, when: str) -> None:
        self.dies_at = dies_at
        self.when = when
        self.steps = 0
        self.dead = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any part of the module
        original = getattr(os, name)
        return self._counted(name, original) if name in STEPS else original

    def _counted(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            if self.dead:  # the clean-up of a process that is gone does not happen
                raise Crashed
            self.steps += 1
            if self.steps < self.dies_at:
                return original(*args, **kwargs)
            self.dead = True
            if self.when == "after":
                original(*args, **kwargs)
            if self.when == "half" and name == "write":
                original(args[0], args[1][: len(args[1]) // 2])
            raise Crashed

        return step


def steps_of_a_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    folder = filled(path)
    counting = Os(10**6, when="before")
    monkeypatch.setattr(module, "os", counting)
    change(folder)
    monkeypatch.setattr(module, "os", os)
    return counting.steps


@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_change_dies_at_any_step_leaves_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """At whichever step a process dies, the folder holds what it held or what was meant, whole."""
    steps = steps_of_a_change(tmp_path / "count", monkeypatch)
    assert steps > 20
    seen = set()
    for step in range(1, steps + 1):
        folder = filled(tmp_path / str(step))
        monkeypatch.setattr(module, "os", Os(step, when=when))
        with pytest.raises(Crashed):
            change(folder)
        monkeypatch.setattr(module, "os", os)
        after = held(folder)
        assert after in ({**OLD, "roots.cbor": b"roots"}, NEW)
        seen.add(after == NEW)
        change(folder)
        assert held(folder) == NEW
    assert seen == {False, True}


@pytest.mark.parametrize("errno_name", ["ENOSPC", "EIO"])
def test_change_when_the_disk_fails_keeps_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, errno_name: str
) -> None:
    """A full or broken disk is an error, and what was held still is."""
    folder = filled(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno_name)

    broken = SimpleNamespace(**{**vars(os), "fsync": fail})
    monkeypatch.setattr(module, "os", broken)
    with pytest.raises(OSError, match=errno_name):
        change(folder)
    monkeypatch.setattr(module, "os", os)
    assert held(folder) == {**OLD, "roots.cbor": b"roots"}


def test_change_syncs_files_and_folders_before_the_pointer_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every new file and every folder is on the disk before `current` names them, and it after."""
    folder = filled(tmp_path)
    log: list[tuple[str, str]] = []
    names: dict[int, str] = {}

    def opened(path: str, flags: int, mode: int = 0o777) -> int:
        descriptor = os.open(path, flags, mode)
        names[descriptor] = os.path.relpath(path, tmp_path)
        return descriptor

    def synced(descriptor: int) -> None:
        log.append(("sync", names[descriptor]))

    def replaced(source: str, target: str) -> None:
        log.append(("replace", os.path.relpath(target, tmp_path)))
        Path(source).replace(target)

    spy = SimpleNamespace(**{**vars(os), "open": opened, "fsync": synced, "replace": replaced})
    monkeypatch.setattr(module, "os", spy)
    change(folder)
    moved = log.index(("replace", "current"))
    before = {name for _, name in log[:moved]}
    assert before >= {f"lists-000002/{name}" for name in CHANGE}
    assert before >= {".", "lists-000002", "lists-000002/status", "current.new"}
    assert log[moved + 1 :] == [("sync", ".")]


def test_reader_with_an_old_generation_reads_on_after_a_change(tmp_path: Path) -> None:
    """Who began to read before a change goes on reading what belonged together."""
    folder = filled(tmp_path)
    before = folder.current()
    change(folder)
    assert before.read("status/1.cwt", max_bytes=99) == OLD["status/1.cwt"]
    assert folder.current().read("status/1.cwt", max_bytes=99) == CHANGE["status/1.cwt"]


def test_change_removes_generations_that_nobody_reads(tmp_path: Path) -> None:
    """Only the current generation and the one before take up space."""
    folder = filled(tmp_path)
    for _ in range(5):
        change(folder)
    assert len(list(tmp_path.glob("lists-*"))) == 2


def test_stamp_differs_after_each_change(tmp_path: Path) -> None:
    """A long-running reader can tell that there are newer lists."""
    folder = Folder(str(tmp_path))
    stamps = [folder.stamp()]
    for _ in range(3):
        change(folder)
        stamps.append(folder.stamp())
    assert len(set(stamps)) == 4


def test_lock_held_by_another_is_refused(tmp_path: Path) -> None:
    """Two updates never work on one folder at a time: the second is told so."""
    folder = filled(tmp_path)
    with folder.lock(), pytest.raises(CacheError, match="another update"), folder.lock():
        pass
    with folder.lock():
        pass


def test_folder_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    """Whoever can replace the roots can admit anybody, so such a folder is not used."""
    folder = filled(tmp_path)
    tmp_path.chmod(0o777)
    with pytest.raises(CacheError, match="chmod o-w"):
        folder.current()
    tmp_path.chmod(0o755)


def test_files_are_readable_by_all_and_writable_by_their_owner(tmp_path: Path) -> None:
    """Published lists are no secret; only their owner may change them."""
    folder = filled(tmp_path)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert all(mode & 0o022 == 0 for mode in modes)
    assert folder.current().read("roots.cbor", max_bytes=99) == b"roots"


@pytest.mark.parametrize("content", [b"", b"lists-\n", b"../../etc\n", b"lists-1\n\n", b"\xff"])
def test_damaged_pointer_is_refused(tmp_path: Path, content: bytes) -> None:
    """A pointer that names no generation is not followed anywhere."""
    folder = filled(tmp_path)
    (tmp_path / "current").write_bytes(content)
    with pytest.raises(CacheError, match="damaged"):
        folder.current()


def test_read_of_a_longer_file_than_allowed_is_refused(tmp_path: Path) -> None:
    """A file that grew beyond what it can be is not read into memory."""
    folder = filled(tmp_path)
    with pytest.raises(CacheError, match="longer"):
        folder.current().read("trust-list.cbor", max_bytes=3)


def test_change_on_a_disk_without_links_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory stick has no second names for a file; the folder works there too."""

    def no_links(*_: object) -> None:
        raise OSError("no links here")

    folder = filled(tmp_path)
    monkeypatch.setattr(module, "os", SimpleNamespace(**{**vars(os), "link": no_links}))
    change(folder)
    monkeypatch.setattr(module, "os", os)
    assert held(folder) == NEW


def test_lock_cannot_be_held_by_who_may_only_read(tmp_path: Path) -> None:
    """Whoever can open a file can lock it, and would keep a venue's lists from ever changing."""
    folder = Folder(str(tmp_path))
    with folder.lock():
        pass
    assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


def test_folder_that_knows_no_locks_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share without locks is not taken for an update that is running, for ever."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="No locks available"), Folder(str(tmp_path)).lock():
        pytest.fail("went on without a lock")
