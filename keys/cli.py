"""`celadon keys`: keys in their store, from their making to their end. Shell.

Exit codes: 0 as asked, 1 refused, 2 wrong call. Every error is one line.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from keys import keyfile, sealing
from keys.arguments import (
    FILE,
    KID,
    OUT,
    PASSPHRASE,
    STORE,
    TIME,
    Group,
    ask_passphrase,
    read_clock,
    write_new,
)
from keys.errors import SourceFileError
from keys.instants import format_time
from keys.keyring import Keyring, TokenKeyring, TokenPlace, open_token
from keys.kid import cose_key
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.store import Keystore

__all__ = ["keys"]

# What a passphrase costs to guess. Nothing below libsodium's INTERACTIVE can be chosen.
_STRENGTHS: Final = {
    "interactive": (sealing.INTERACTIVE_OPS, sealing.INTERACTIVE_MEM),
    "moderate": (sealing.MODERATE_OPS, sealing.MODERATE_MEM),
    "sensitive": (sealing.SENSITIVE_OPS, sealing.SENSITIVE_MEM),
}
_MIN_PASSPHRASE: Final = 12


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose keys a command is about."""

    folder: Path
    passphrase_file: Path | None
    token: TokenPlace | None


@click.group(cls=Group)
@STORE
@PASSPHRASE
@click.option("--token", "label", metavar="LABEL", help="Keys inside this PKCS#11 token only.")
@click.option("--module", type=FILE, help="The PKCS#11 library of the token's maker.")
@click.option(
    "--pin-file", type=FILE,
    help="Read the token's PIN from the first line of a file that only you can read.",
)  # fmt: skip
@click.pass_context
def keys(  # noqa: PLR0913, PLR0917 - click hands over one argument for each option
    context: click.Context,
    folder: Path,
    passphrase_file: Path | None,
    label: str | None,
    module: Path | None,
    pin_file: Path | None,
) -> None:
    """Make keys, say what state they are in, and hand out their public halves.

    A key has one purpose and one window of time. It signs only while it is active and inside
    that window. Nothing here ever prints a secret.

    With a token, private halves are made inside it and stay there; their records are kept in the
    keystore, which lists them too, and can stop them when the token is out of reach.
    """
    token = None
    if label is not None and module is not None and pin_file is not None:
        token = TokenPlace(module, label, pin_file)
    elif (label, module, pin_file) != (None, None, None):
        raise click.UsageError("--token, --module and --pin-file go together")
    context.obj = _Asked(folder, passphrase_file, token)


@keys.command("init")
@click.option(
    "--environment", required=True, type=click.Choice([e.value for e in Environment]),
    help="Where the keys of this store count. It cannot be changed later.",
)  # fmt: skip
@click.option(
    "--strength", default="moderate", show_default=True, type=click.Choice(list(_STRENGTHS)),
    help="What opening the store, and guessing its passphrase, costs (Argon2id).",
)  # fmt: skip
@click.pass_obj
def init(asked: _Asked, environment: str, strength: str) -> None:
    """Make an empty keystore."""
    passphrase = ask_passphrase(asked.passphrase_file, confirm=True)
    if len(passphrase) < _MIN_PASSPHRASE:
        raise SourceFileError(f"a passphrase has at least {_MIN_PASSPHRASE} characters")
    ops, mem = _STRENGTHS[strength]
    kept = Environment(environment)
    Keystore.create(asked.folder, passphrase, environment=kept, ops=ops, mem=mem)
    click.echo(f"made an empty {environment} keystore in {asked.folder}")


@keys.command("new")
@click.option(
    "--purpose", required=True, type=click.Choice([p.value for p in Purpose]),
    help="The one thing that the key signs.",
)  # fmt: skip
@click.option("--region", required=True, help="Whose key it is: six digits of GB/T 2260.")
@click.option("--from", "begin", type=TIME, default="now", help="First second in which it signs.")
@click.option("--until", required=True, type=TIME, help="First second in which it does not.")
@click.pass_obj
def new(asked: _Asked, purpose: str, region: str, begin: int, until: int) -> None:
    """Make a key. It signs nothing before `activate`.

    Times are written like 2020-12-13T00:00:00Z.
    """
    ring = _open(asked)
    try:
        info = ring.new(Purpose(purpose), region, begin, until, now=read_clock())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(_line(info))


@keys.command("list")
@click.pass_obj
def list_keys(asked: _Asked) -> None:
    """Show every key: its kid, purpose, region, state and window."""
    ring = _open(asked)
    for info in ring.keys():  # noqa: SIM118 - a keyring is no dict
        click.echo(_line(info))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def activate(asked: _Asked, kid: bytes) -> None:
    """Let a new or suspended key sign, inside its window."""
    click.echo(_line(_open(asked).move(kid, KeyState.ACTIVE, read_clock())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def suspend(asked: _Asked, kid: bytes) -> None:
    """Stop a key for now; `activate` lets it sign again."""
    click.echo(_line(_open(asked).move(kid, KeyState.SUSPENDED, read_clock())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def retire(asked: _Asked, kid: bytes) -> None:
    """Stop a key for good. What it signed stays good."""
    click.echo(_line(_open(asked).move(kid, KeyState.DEACTIVATED, read_clock())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def compromise(asked: _Asked, kid: bytes) -> None:
    """Note that somebody else may have a key. It stops at once, for good.

    Verifiers do not know yet: the next trust list must name the key under "withdrawn".
    """
    click.echo(_line(_open(asked).move(kid, KeyState.COMPROMISED, read_clock())))
    click.echo(f'withdraw it: add "{kid.hex()}" to "withdrawn" in the source of the next list')


@keys.command()
@click.argument("kid", type=KID)
@click.confirmation_option(prompt="No copy will remain here. Destroy the key?")
@click.pass_obj
def destroy(asked: _Asked, kid: bytes) -> None:
    """Overwrite and remove a key's secret, or a token's key. Its public record stays."""
    click.echo(_line(_open(asked).move(kid, KeyState.DESTROYED, read_clock())))


@keys.command("export-public")
@click.argument("kid", type=KID)
@click.option(
    "--format", "form", default="record", show_default=True, type=click.Choice(["record", "cose"]),
    help="A record for the source of a trust list, or a bare COSE_Key for publication.",
)  # fmt: skip
@OUT
@click.pass_obj
def export_public(asked: _Asked, kid: bytes, form: str, out: Path) -> None:
    """Write a key's public half to a file.

    The file is not signed: whoever receives it compares the kid with you by voice.
    """
    info = _open(asked).info(kid)
    record = keyfile.encode_public_record(info).encode()
    write_new(out, record if form == "record" else cose_key(info.public_key))
    click.echo(f"wrote {out}: {_line(info)}")


def _open(asked: _Asked) -> Keyring:
    """The keys of the token that was asked for, else those of the keystore."""
    store = Keystore.open(asked.folder, ask_passphrase(asked.passphrase_file))
    if asked.token is None:
        return store
    token = click.get_current_context().with_resource(open_token(asked.token))
    return TokenKeyring(store, token)


def _line(info: KeyInfo) -> str:
    window = " until ".join(map(format_time, (info.not_before, info.not_after)))
    return f"{info.kid.hex()}  {info.purpose:<10}  {info.region}  {info.state:<14}  {window}"
