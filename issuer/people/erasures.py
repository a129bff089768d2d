"""Whom we erased, noted apart from the databases, so that no old copy of them brings one back.

A file beside the keystore (`<keystore>.erased`), one line for each erased person: 32 hex digits,
the MAC of the subject under the keystore's `rows` secret. It names nobody: without that secret a
line fits no subject, and with it only one that is tried. Shell. docs/ops/drills.md says how to
keep it.
"""

import os
import re
from pathlib import Path
from typing import Final

from issuer.errors import IntegrityError
from issuer.storage.sealing import mac

__all__ = ["Erasures"]

_LINE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TORN: Final = re.compile(r"[0-9a-f]{0,31}", re.ASCII)
_PRIVATE: Final = 0o600


class Erasures:
    """The list of one installation.

    Args:
        path: Of the file; made with the first note.
        rows: The secret of the same name, 32 bytes.
    """

    __slots__ = ("_path", "_rows")

    def __init__(self, path: Path, rows: bytes) -> None:
        self._path = path
        self._rows = rows

    @classmethod
    def beside(cls, keystore: Path, rows: bytes) -> "Erasures":
        """The list that belongs to a keystore."""
        return cls(keystore.with_name(keystore.name + ".erased"), rows)

    def note(self, subject: bytes) -> None:
        """Add a person; durable on return. Noting somebody twice has one effect.

        Raises:
            OSError: It was not written.
        """
        is_new = not self._path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self._path, flags, _PRIVATE)
        try:
            # A line that a crash tore is ended by this one's beginning.
            os.write(descriptor, f"\n{self.mark(subject)}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def mark(self, subject: bytes) -> str:
        """What stands for a person here."""
        return mac(self._rows, "erased", (subject,)).hex()

    def marks(self) -> frozenset[str]:
        """Everybody on the list; nobody where there is no file yet.

        Raises:
            IntegrityError: A line that nobody wrote, other than a torn one.
        """
        try:
            lines = self._path.read_text("ascii").split("\n")
        except FileNotFoundError:
            return frozenset()
        except UnicodeDecodeError as error:
            raise IntegrityError(f"{self._path.name}: damaged") from error
        found = set()
        for number, line in enumerate(lines, start=1):
            if _LINE.fullmatch(line):
                found.add(line)
            elif _TORN.fullmatch(line) is None:
                raise IntegrityError(f"{self._path.name}: line {number} is damaged")
        return frozenset(found)
