"""The issuer's own published lists as a verifier reads them, for the check it offers. Shell."""

import os
import threading
from pathlib import Path

from issuer.writer import Writer
from verifier.check import Lists
from verifier.errors import StatusListError
from verifier.statuslist import StatusList, recall_status_list

__all__ = ["PublishedLists"]


class PublishedLists:
    """Called for the lists; reads them again when the newest snapshot is another one.

    A list that cannot be read is left out, so that its codes are undecided. Looking whether there
    is a new snapshot costs one `stat` a call.
    """

    __slots__ = ("_lists", "_lock", "_snapshot", "_stamp", "_status", "_writer")

    def __init__(self, public: Path, writer: Writer) -> None:
        self._status = public / "status"
        self._writer = writer
        self._snapshot = str(self._status / f"{writer.authority.issuer.region}.snapshot")
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._lists = Lists(writer.authority.trust, {})

    def __call__(self) -> Lists:
        stamp = _stamp(self._snapshot)
        if stamp != self._stamp:
            with self._lock:
                self._lists = Lists(self._writer.authority.trust, self._read())
                self._stamp = stamp
        return self._lists

    def _read(self) -> dict[int, StatusList]:
        found = {}
        for path in self._status.glob("*.cwt"):
            try:
                status_list = recall_status_list(path.read_bytes(), self._writer.authority.trust)
            except (StatusListError, FileNotFoundError):
                continue
            found[status_list.list_number] = status_list
        return found


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a third of the time that Path.stat takes
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino
