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
    REGION,
    STORE,
    TIME,
    Group,
    ask_passphrase,
    read_clock,
    read_file,
    require_store,
    write_new,
)
from keys.errors import KeyRegionError, KeyStateError, SourceFileError
from keys.files import require_private_folder
from keys.instants import format_time
from keys.keyring import Keyring, TokenKeyring, TokenPlace, open_token
from keys.kid import cose_key
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.rotation import LISTABLE, Supply, off_the_list, onto_the_list
from keys.rotation import rotate as run_rotation
from keys.store import Keystore
from keys.trustlist import TrustList, decode_roots, verify_trust_list
from keys.trustplace import ROOTS_FILE, TRUST_LIST_FILE, said_of

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

    folder: Path | None
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
    folder: Path | None,
    passphrase_file: Path | None,
    label: str | None,
    module: Path | None,
    pin_file: Path | None,
) -> None:
    """Make keys, move them between states, export public halves.

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
    folder = require_store(asked.folder)
    passphrase = ask_passphrase(asked.passphrase_file, confirm=True)
    if len(passphrase) < _MIN_PASSPHRASE:
        raise SourceFileError(f"a passphrase has at least {_MIN_PASSPHRASE} characters")
    ops, mem = _STRENGTHS[strength]
    kept = Environment(environment)
    Keystore.create(folder, passphrase, environment=kept, ops=ops, mem=mem)
    click.echo(f"made an empty {environment} keystore in {folder}")


@keys.command("new")
@click.option(
    "--purpose", required=True, type=click.Choice([p.value for p in Purpose]),
    help="The one thing that the key is for.",
)  # fmt: skip
@click.option(
    "--region", required=True, type=REGION, help="Whose key it is: six digits of GB/T 2260."
)
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


@keys.command()
@click.option(
    "--region", required=True, type=REGION, envvar="CELADON_REGION", metavar="CODE",
    help="Whose code keys: six digits of GB/T 2260; or set CELADON_REGION.",
)  # fmt: skip
@click.option(
    "--trust", "trust_folder", required=True, envvar="CELADON_TRUST", metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with roots.cbor and the trust-list.cbor held; or set CELADON_TRUST.",
)  # fmt: skip
@click.option(
    "--days", default=Supply().days, show_default=True, envvar="CELADON_CODE_KEY_DAYS", type=int,
    help="Days after today that have their keys already.",
)  # fmt: skip
@click.option(
    "--shards", default=Supply().shards, show_default=True, envvar="CELADON_CODE_KEY_SHARDS",
    type=int, help="Keys of one day.",
)  # fmt: skip
@click.option(
    "--spares", default=Supply().spares, show_default=True, envvar="CELADON_CODE_KEY_SPARES",
    type=int, help="Keys in reserve.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Write the records that the next trust list needs into this folder, one file a key.",
)  # fmt: skip
@click.pass_obj
def rotate(  # noqa: PLR0913, PLR0917 - click hands over one argument for each option
    asked: _Asked,
    region: str,
    trust_folder: Path,
    days: int,
    shards: int,
    spares: int,
    out: Path | None,
) -> None:
    """Make, activate, retire and destroy code keys on time.

    Keys are made for the days ahead, and spare ones; those whose day has come and that have been
    on the trust list for 24 hours begin to sign; a spare one takes the place of each that is lost,
    stolen or late. Keys whose day is over stop, and are destroyed when their last code has expired.

    Says what it did and what has to be carried to the keepers of the trust list. Run it as often
    as you like, from a timer: the second time it does nothing.
    """
    try:
        supply = Supply(days, shards, spares)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    held = _held_list(trust_folder)
    ring, now = _open(asked), read_clock()
    regions = {info.region for info in ring.held()}
    if regions and region not in regions:
        known = ", ".join(sorted(regions))
        raise KeyRegionError(f"the keystore has keys of {known} and none of {region}")
    done = run_rotation(ring, held, region=region, supply=supply, now=now)
    for info in done.made:
        click.echo(f"made       {_line(info)}")
    for info in done.moved:
        click.echo(f"moved      {_line(info)}")
    infos = [info for info in ring.held() if info.region == region]
    for info in onto_the_list(infos, held, now):
        written = "" if out is None else f"  {_write_record(out, info)}"
        click.echo(f"list it    {_line(info)}{written}")
    for info in off_the_list(infos, held, now):
        what = "withdraw  " if info.state is KeyState.COMPROMISED else "unlist    "
        click.echo(f"{what} {_line(info)}")


def _held_list(folder: Path) -> TrustList | None:
    """The trust list held; None where there is none yet. Its age does not matter here."""
    try:
        roots, data = read_file(folder / ROOTS_FILE), read_file(folder / TRUST_LIST_FILE)
    except FileNotFoundError:
        return None
    return said_of(folder, lambda: verify_trust_list(data, decode_roots(roots)))


def _write_record(folder: Path, info: KeyInfo) -> Path:
    """The same key always gives the same file, so it may be there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{info.kid.hex()}.json"
    path.write_text(keyfile.encode_public_record(info), "utf-8")
    return path


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
    if info.state not in LISTABLE:
        raise KeyStateError(f"key {kid.hex()} is {info.state}: no list may name it")
    record = keyfile.encode_public_record(info).encode()
    write_new(out, record if form == "record" else cose_key(info.public_key))
    click.echo(f"wrote {out}: {_line(info)}")


def _open(asked: _Asked) -> Keyring:
    """The keys of the token that was asked for, else those of the keystore."""
    folder = require_store(asked.folder)
    require_private_folder(folder)  # before anybody types a passphrase for it
    store = Keystore.open(folder, ask_passphrase(asked.passphrase_file))
    if asked.token is None:
        return store
    token = click.get_current_context().with_resource(open_token(asked.token))
    return TokenKeyring(store, token)


def _line(info: KeyInfo) -> str:
    window = " until ".join(map(format_time, (info.not_before, info.not_after)))
    return f"{info.kid.hex()}  {info.purpose:<10}  {info.region}  {info.state:<14}  {window}"
