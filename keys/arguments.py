"""What `celadon keys` and `celadon trust` share: types, options, files, one-line errors. Shell."""

import errno
import os
import re
import time
from pathlib import Path
from typing import Final

import click

from keys import keyfile
from keys.errors import KeysError, SourceFileError
from keys.files import first_line, read_private
from keys.instants import parse_time
from keys.kid import KID_BYTES
from keys.trustlist import MAX_BYTES

__all__ = [
    "FILE", "KID", "NEW_FILE", "OUT", "PASSPHRASE", "REGION", "STORE", "TIME", "Group",
    "ask_passphrase", "os_reason", "read_clock", "read_file", "read_text", "require_store",
    "write_new",
]  # fmt: skip

_REFUSED: Final = 1


def require_store(folder: Path | None) -> Path:
    """The keystore that was named. Asked for only here, so that `--help` needs none."""
    if folder is None:
        raise click.UsageError("no keystore: --store FOLDER, or set CELADON_KEYSTORE")
    return folder


def os_reason(error: OSError) -> str:
    """What the system refused, in a line.

    Raises:
        OSError: Whoever read our output has gone: click ends quietly then.
    """
    if error.errno == errno.EPIPE:
        raise error
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


class Group(click.Group):
    """Turns our errors into one line and exit code 1, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeysError, UnicodeError) as error:
            reason = str(error)
        except OSError as error:
            reason = os_reason(error)
        click.echo(f"error: {reason}", err=True)
        return ctx.exit(_REFUSED)


class _Time(click.ParamType[int]):
    """A time such as 2020-12-13T00:00:00Z, or "now"."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if value == "now":
            return read_clock()
        try:
            return parse_time(value)
        except SourceFileError as error:
            self.fail(str(error), param, ctx)


class _Kid(click.ParamType[bytes]):
    """A key's name: eight hex digits."""

    name = "kid"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        try:
            return keyfile.hex_bytes(value, KID_BYTES, "a kid")
        except SourceFileError as error:
            self.fail(str(error), param, ctx)


class _Region(click.ParamType[str]):
    """A region by its code of GB/T 2260."""

    name = "region"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{6}", value):
            self.fail("a region is six digits", param, ctx)
        return value


TIME: Final = _Time()
KID: Final = _Kid()
REGION: Final = _Region()
FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW_FILE: Final = click.Path(path_type=Path, dir_okay=False)
STORE = click.option(
    "--store", "folder", envvar="CELADON_KEYSTORE", metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="The keystore; or set CELADON_KEYSTORE.",
)  # fmt: skip
PASSPHRASE = click.option(
    "--passphrase-file", type=FILE, envvar="CELADON_PASSPHRASE_FILE",
    help="Read the passphrase from the first line of a file that only you can read; else it is "
    "asked for.",
)  # fmt: skip
OUT = click.option(
    "--out", required=True, type=NEW_FILE, help="The file to write. It must not exist yet."
)


def ask_passphrase(file: Path | None, *, confirm: bool = False) -> str:
    try:
        if file is not None:
            return first_line(read_private(file)).decode()
        entered: str = click.prompt(
            "Passphrase", hide_input=True, confirmation_prompt=confirm, err=True
        )
        entered.encode()
    except UnicodeError:
        # Its text, and the object itself, hold what could not be read.
        raise SourceFileError(f"{file or 'as typed'}: the passphrase is not in UTF-8") from None
    return entered


def read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 2**10)


def read_text(path: Path) -> str:
    return path.read_text("utf-8")


def write_new(path: Path, data: bytes) -> None:
    """A new file, whole or not at all; never over an old one, which may be signed already."""
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            path.unlink()
            raise


def read_clock() -> int:
    return int(time.time())
