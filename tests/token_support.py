"""PKCS#11 tokens for tests: SoftHSM from Debian's package `softhsm2`, in a folder of its own.

A module reads SOFTHSM2_CONF when it is initialised, once in a process, so all tokens of a process
are in one folder; `hsm` in tests/conftest.py makes it.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree, which
from tempfile import TemporaryDirectory
from typing import Final

import pkcs11

from keys.keyring import TokenPlace

__all__ = ["PACKAGE_MISSING", "PIN", "Hsm", "soft_hsm"]

PACKAGE_MISSING: Final = "no SoftHSM here: install Debian's package `softhsm2`"
PIN: Final = "2020-1213"
_MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
_CONFIGURATION: Final = "SOFTHSM2_CONF"


class Hsm:
    """Tokens that come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    def new_token(self, label: str | None = None) -> TokenPlace:
        """An empty token, with its PIN in a private file."""
        self._made += 1
        label = label or f"token-{self._made}"
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", PIN,
             "--pin", PIN],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        self.restart()
        pin_file = self.folder / f"pin-{self._made}"
        pin_file.touch(mode=0o600)
        pin_file.write_text(PIN + "\n")
        return TokenPlace(_MODULE, label, pin_file)

    def restart(self) -> None:
        """What the module held in memory is gone, sessions and logins too; tokens stay."""
        pkcs11.lib(str(_MODULE)).reinitialize()

    def take_out(self, place: TokenPlace) -> None:
        """The token is gone for good."""
        token = pkcs11.lib(str(place.module)).get_token(token_label=place.label)
        serial = token.serial.decode()
        for folder in self.tokens.iterdir():
            if folder.name.replace("-", "").endswith(serial):
                rmtree(folder)
        self.restart()


@contextmanager
def soft_hsm() -> Iterator[Hsm]:
    """SoftHSM with no token yet. Everything is gone at the end."""
    if which("softhsm2-util") is None or not _MODULE.exists():
        raise FileNotFoundError(PACKAGE_MISSING)
    before = os.environ.get(_CONFIGURATION)
    with TemporaryDirectory(prefix="hsm") as name:
        hsm = Hsm(Path(name))
        hsm.tokens.mkdir()
        configuration = hsm.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {hsm.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ[_CONFIGURATION] = str(configuration)
        try:
            hsm.restart()
            yield hsm
        finally:
            pkcs11.lib(str(_MODULE)).finalize()
            if before is None:
                del os.environ[_CONFIGURATION]
            else:
                os.environ[_CONFIGURATION] = before
