"""PKCS#11 tokens for tests: SoftHSM from Debian's package `softhsm2`, in a folder of its own.

All tokens of a process are in one folder; the fixture `hsm` in tests/conftest.py makes it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

import pkcs11

from issuer.demo.softhsm import CONFIGURATION, MODULE, PACKAGE_MISSING, make_token, set_up
from keys.keyring import TokenPlace

__all__ = ["PACKAGE_MISSING", "Hsm", "soft_hsm"]


class Hsm:
    """Tokens that come and go."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

    def new_token(self, label: str | None = None) -> TokenPlace:
        """An empty token, with its PIN in a private file."""
        self._made += 1
        made = make_token(label or f"token-{self._made}", self._folder / f"pin-{self._made}")
        self.restart()  # or the module would not see it
        return made

    def restart(self) -> None:
        """What the module held in memory is gone, sessions and logins too; tokens stay."""
        pkcs11.lib(str(MODULE)).reinitialize()

    def take_out(self, place: TokenPlace) -> None:
        """The token is gone for good."""
        token = pkcs11.lib(str(place.module)).get_token(token_label=place.label)
        serial = token.serial.decode()
        for folder in (self._folder / "tokens").iterdir():
            if folder.name.replace("-", "").endswith(serial):
                rmtree(folder)
        self.restart()


@contextmanager
def soft_hsm() -> Iterator[Hsm]:
    """SoftHSM with no token yet. Everything is gone at the end."""
    before = os.environ.get(CONFIGURATION)
    with TemporaryDirectory(prefix="hsm") as name:
        set_up(Path(name))
        try:
            hsm = Hsm(Path(name))
            hsm.restart()
            yield hsm
        finally:
            pkcs11.lib(str(MODULE)).finalize()
            if before is None:
                del os.environ[CONFIGURATION]
            else:
                os.environ[CONFIGURATION] = before
