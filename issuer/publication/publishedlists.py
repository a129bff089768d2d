"""The issuer's own published lists as a verifier reads them, for the check it offers. Shell."""

import math
import threading
import time
from pathlib import Path
from typing import Final

from issuer.storage.writer import Writer
from verifier.check import Lists
from verifier.errors import StatusListError
from verifier.statusdelta import apply_delta, recall_delta
from verifier.statuslist import StatusList, recall_status_list

__all__ = ["PublishedLists"]

_LOOK_S: Final = 1.0


class PublishedLists:
    """Called for the lists; within a second of a new snapshot it gives the new ones.

    A list that cannot be read is left out, so that its codes are undecided.
    """

    __slots__ = (
        "_delta",
        "_lists",
        "_lock",
        "_looked",
        "_snapshot",
        "_stamp",
        "_status",
        "_writer",
    )

    def __init__(self, public: Path, writer: Writer) -> None:
        self._status = public / "status"
        self._writer = writer
        self._snapshot = self._status / f"{writer.authority.issuer.region}.snapshot"
        self._delta = self._snapshot.with_suffix(".delta")
        self._looked = -math.inf
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._lists = Lists(writer.authority.trust, {})

    def __call__(self) -> Lists:
        if time.monotonic() - self._looked >= _LOOK_S:
            self._look()
        return self._lists

    def _look(self) -> None:
        with self._lock:
            stamp = _stamp(self._snapshot)
            if stamp != self._stamp:
                held = self._read()
                # Publishing is confirming: our own snapshot names the trust list we work under.
                confirmed = max((each.issued_at for each in held.values()), default=-1)
                trust = self._writer.authority.trust
                self._lists = Lists(trust, held, confirmed=confirmed)
                self._stamp = stamp
            self._looked = time.monotonic()

    def _read(self) -> dict[int, StatusList]:
        found = {}
        trust = self._writer.authority.trust
        for path in self._status.glob("*.cwt"):
            try:
                delta = recall_delta(self._delta.read_bytes(), trust)
                status_list = apply_delta(recall_status_list(path.read_bytes(), trust), delta)
            except (StatusListError, FileNotFoundError):
                continue
            found[status_list.list_number] = status_list
        return found


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino
