"""Tokens made of software, in a folder: SoftHSM from Debian's package `softhsm2`.

They show the way to a real token and protect nothing: whoever can read the folder can guess a PIN
of a few digits. A module reads SOFTHSM2_CONF when it is loaded, once in a process.
"""

import os
import secrets
import subprocess
from pathlib import Path
from shutil import which
from typing import Final

from keys.keyring import TokenPlace

__all__ = ["CONFIGURATION", "MODULE", "PACKAGE_MISSING", "is_installed", "make_token", "set_up"]

CONFIGURATION: Final = "SOFTHSM2_CONF"
MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")
PACKAGE_MISSING: Final = "no SoftHSM here: install Debian's package `softhsm2`"
_PROGRAM: Final = "softhsm2-util"


def is_installed() -> bool:
    return which(_PROGRAM) is not None and MODULE.exists()


def set_up(folder: Path) -> None:
    """Let this process, and those that it starts, have its tokens in *folder*.

    Raises:
        FileNotFoundError: SoftHSM is not installed.
    """
    if not is_installed():
        raise FileNotFoundError(PACKAGE_MISSING)
    tokens = folder / "tokens"
    tokens.mkdir(mode=0o700, parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ[CONFIGURATION] = str(configuration)


def make_token(label: str, pin_file: Path) -> TokenPlace:
    """An empty token, with a new PIN in *pin_file*."""
    pin = secrets.token_hex(8)
    pin_file.touch(mode=0o600, exist_ok=False)
    pin_file.write_text(pin + "\n")
    subprocess.run(  # noqa: S603 - a program of the system, and our own words
        [_PROGRAM, "--init-token", "--free", "--label", label, "--so-pin", pin, "--pin", pin],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return TokenPlace(MODULE, label, pin_file)
