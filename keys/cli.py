"""`celadon keys` and `celadon trust`: keys in their store, lists through their ceremony. Shell.

Exit codes: 0 as asked, 1 refused, 2 wrong call. Every error is one line.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from keys import keyfile, sealing, trusttext
from keys.errors import KeysError, SourceFileError, TrustListError
from keys.files import read_private
from keys.instants import format_time, parse_time
from keys.keyring import Keyring, TokenKeyring, TokenPlace, open_token
from keys.kid import KID_BYTES, cose_key
from keys.lifecycle import Environment, KeyInfo, KeyState, Purpose
from keys.store import Keystore
from keys.trustenvelope import encode_envelope, merge_envelopes, parse_envelope, sign_payload
from keys.trustlist import (
    MAX_BYTES,
    Roots,
    TrustList,
    decode_roots,
    decode_trust_list,
    encode_roots,
    encode_trust_list,
    verify_trust_list,
)
from keys.trustsource import roots_of_records, source_of_trust_list, trust_list_of_source
from keys.trustupdate import accept_trust_list

__all__ = ["KID", "keys", "trust"]

_REFUSED: Final = 1
# What a passphrase costs to guess. Nothing below libsodium's INTERACTIVE can be chosen.
_STRENGTHS: Final = {
    "interactive": (sealing.INTERACTIVE_OPS, sealing.INTERACTIVE_MEM),
    "moderate": (sealing.MODERATE_OPS, sealing.MODERATE_MEM),
    "sensitive": (sealing.SENSITIVE_OPS, sealing.SENSITIVE_MEM),
}
_MIN_PASSPHRASE: Final = 12


class _Group(click.Group):
    """Turns our errors into one line and exit code 1, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (KeysError, UnicodeError) as error:
            reason = str(error)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        click.echo(f"error: {reason}", err=True)
        return ctx.exit(_REFUSED)


class _Time(click.ParamType[int]):
    """A time such as 2020-12-13T00:00:00Z, or "now"."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if value == "now":
            return int(time.time())
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


_TIME: Final = _Time()
KID: Final = _Kid()
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_NEW_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_STORE = click.option(
    "--store", "folder", required=True, envvar="CELADON_KEYSTORE", metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="The keystore; or set CELADON_KEYSTORE.",
)  # fmt: skip
_PASSPHRASE = click.option(
    "--passphrase-file", type=_FILE, envvar="CELADON_PASSPHRASE_FILE",
    help="Read the passphrase from the first line of a file that only you can read; else it is "
    "asked for.",
)  # fmt: skip
_OUT = click.option(
    "--out", required=True, type=_NEW_FILE, help="The file to write. It must not exist yet."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose keys a command is about."""

    folder: Path
    passphrase_file: Path | None
    token: TokenPlace | None


@click.group(cls=_Group)
@_STORE
@_PASSPHRASE
@click.option("--token", "label", metavar="LABEL", help="Keys inside this PKCS#11 token only.")
@click.option("--module", type=_FILE, help="The PKCS#11 library of the token's maker.")
@click.option(
    "--pin-file", type=_FILE,
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
    passphrase = _passphrase(asked.passphrase_file, confirm=True)
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
@click.option("--from", "begin", type=_TIME, default="now", help="First second in which it signs.")
@click.option("--until", required=True, type=_TIME, help="First second in which it does not.")
@click.pass_obj
def new(asked: _Asked, purpose: str, region: str, begin: int, until: int) -> None:
    """Make a key. It signs nothing before `activate`.

    Times are written like 2020-12-13T00:00:00Z.
    """
    ring = _open(asked)
    try:
        info = ring.new(Purpose(purpose), region, begin, until, now=_now())
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
    click.echo(_line(_open(asked).move(kid, KeyState.ACTIVE, _now())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def suspend(asked: _Asked, kid: bytes) -> None:
    """Stop a key for now; `activate` lets it sign again."""
    click.echo(_line(_open(asked).move(kid, KeyState.SUSPENDED, _now())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def retire(asked: _Asked, kid: bytes) -> None:
    """Stop a key for good. What it signed stays good."""
    click.echo(_line(_open(asked).move(kid, KeyState.DEACTIVATED, _now())))


@keys.command()
@click.argument("kid", type=KID)
@click.pass_obj
def compromise(asked: _Asked, kid: bytes) -> None:
    """Note that somebody else may have a key. It stops at once, for good.

    Verifiers do not know yet: the next trust list must name the key under "withdrawn".
    """
    click.echo(_line(_open(asked).move(kid, KeyState.COMPROMISED, _now())))
    click.echo(f'withdraw it: add "{kid.hex()}" to "withdrawn" in the source of the next list')


@keys.command()
@click.argument("kid", type=KID)
@click.confirmation_option(prompt="No copy will remain here. Destroy the key?")
@click.pass_obj
def destroy(asked: _Asked, kid: bytes) -> None:
    """Overwrite and remove a key's secret, or a token's key. Its public record stays."""
    click.echo(_line(_open(asked).move(kid, KeyState.DESTROYED, _now())))


@keys.command("export-public")
@click.argument("kid", type=KID)
@click.option(
    "--format", "form", default="record", show_default=True, type=click.Choice(["record", "cose"]),
    help="A record for the source of a trust list, or a bare COSE_Key for publication.",
)  # fmt: skip
@_OUT
@click.pass_obj
def export_public(asked: _Asked, kid: bytes, form: str, out: Path) -> None:
    """Write a key's public half to a file.

    The file is not signed: whoever receives it compares the kid with you by voice.
    """
    info = _open(asked).info(kid)
    record = keyfile.encode_public_record(info).encode()
    _write(out, record if form == "record" else cose_key(info.public_key))
    click.echo(f"wrote {out}: {_line(info)}")


@click.group(cls=_Group)
def trust() -> None:
    """Carry a trust list through its ceremony: draft, sign, combine, verify.

    The draft is made where the issuers' records arrive; each root holder signs it on their own
    machine, after reading it; the signed parts come back and are combined. Only files travel.
    """


@trust.command("roots")
@click.argument("records", type=_FILE, nargs=-1, required=True)
@click.option("--epoch", required=True, type=click.IntRange(min=1), help="1, or one more.")
@click.option("--threshold", required=True, type=click.IntRange(min=1), help="How many must sign.")
@_OUT
def roots_command(records: tuple[Path, ...], epoch: int, threshold: int, out: Path) -> None:
    """Make the file of roots that verifiers are given by hand, from public RECORDS."""
    found = {path.name: keyfile.decode_public_record(_text(path)) for path in records}
    roots = roots_of_records(found, epoch=epoch, threshold=threshold)
    _write(out, encode_roots(roots))
    click.echo(trusttext.roots_text(roots))


@trust.command()
@click.argument("source", type=_FILE)
@click.option("--held", type=_FILE, help="The list in force: show what changes.")
@_OUT
def draft(source: Path, held: Path | None, out: Path) -> None:
    """Make the bytes to be signed from a SOURCE in JSON.

    `trust show --json` prints the source of any list. A key may stand there as {"record": "FILE"},
    with FILE beside the source.
    """

    def read_record(name: str) -> keyfile.PublicRecord:
        return keyfile.decode_public_record(_text(source.parent / name))

    made = trust_list_of_source(keyfile.parse_json(_text(source)), read_record)
    _write(out, encode_trust_list(made))
    _show(made, held)


@trust.command()
@click.argument("draft_file", metavar="DRAFT", type=_FILE)
@click.option("--kid", "root", required=True, type=KID, help="Your root key.")
@click.option("--held", type=_FILE, help="The list in force: show what changes.")
@_STORE
@_PASSPHRASE
@_OUT
def sign(  # noqa: PLR0913, PLR0917 - click hands over one argument for each option
    draft_file: Path,
    root: bytes,
    held: Path | None,
    folder: Path,
    passphrase_file: Path | None,
    out: Path,
) -> None:
    """Show a DRAFT in full, and sign it with a root key.

    Read it, compare the digest with the other holders by voice, then type the version.
    """
    payload = _read(draft_file)
    drafted = decode_trust_list(payload)
    _show(drafted, held)
    typed = click.prompt(f"To sign, type the version ({drafted.version})", type=int)
    if typed != drafted.version:
        raise SourceFileError(f"version {drafted.version} was not signed")
    store = Keystore.open(folder, _passphrase(passphrase_file))
    if store.environment is not drafted.environment:
        raise SourceFileError(f"a {store.environment} root cannot sign for {drafted.environment}")
    region = store.info(root).region
    signer = store.signer(root, purpose=Purpose.TRUST_ROOT, region=region, clock=_now)
    _write(out, encode_envelope(payload, [sign_payload(payload, signer)]))
    click.echo(f"wrote {out}, signed by {root.hex()}")


@trust.command()
@click.argument("parts", type=_FILE, nargs=-1, required=True)
@click.option("--roots", "roots_file", required=True, type=_FILE, help="What verifiers trust now.")
@_OUT
def combine(parts: tuple[Path, ...], roots_file: Path, out: Path) -> None:
    """Put the signed PARTS together, if they make a list that verifiers take."""
    data = merge_envelopes(_read(part) for part in parts)
    made = verify_trust_list(data, decode_roots(_read(roots_file)))
    _write(out, data)
    signers = len(parse_envelope(data).signatures)
    click.echo(f"wrote {out}: version {made.version}, {signers} signatures")


@trust.command()
@click.argument("list_file", metavar="LIST", type=_FILE)
@click.option("--roots", "roots_file", required=True, type=_FILE, help="What verifiers trust now.")
@click.option("--held", type=_FILE, help="The list that they hold; without it, none.")
@click.option("--at", type=_TIME, default="now", help="As of this time.")
def verify(list_file: Path, roots_file: Path, held: Path | None, at: int) -> None:
    """Say whether a verifier would take LIST, and why not."""
    roots = decode_roots(_read(roots_file))
    before = None if held is None else _any_list(held)
    taken = accept_trust_list(before, _read(list_file), roots=roots, now=at)
    click.echo(
        f"good: version {taken.version}, {taken.environment}, {len(taken.issuers)} issuers, "
        f"until {format_time(taken.not_after)}"
    )


@trust.command()
@click.argument("file", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the list's source instead.")
@click.option("--held", type=_FILE, help="An older list: show what changed.")
def show(file: Path, as_json: bool, held: Path | None) -> None:
    """Print a draft, a list or a file of roots. Verifies no signature."""
    roots = _roots_or_none(file)
    if roots is not None:
        click.echo(trusttext.roots_text(roots))
    elif as_json:
        source = source_of_trust_list(_any_list(file))
        click.echo(json.dumps(source, indent=2, ensure_ascii=False))
    else:
        _show(_any_list(file), held)
        click.echo("no signature was verified")


def _show(trust_list: TrustList, held: Path | None) -> None:
    click.echo(trusttext.trust_list_text(trust_list))
    if held is not None:
        click.echo(trusttext.changes_text(_any_list(held), trust_list))


def _any_list(path: Path) -> TrustList:
    """A draft or a signed list, without a look at its signatures."""
    data = _read(path)
    return decode_trust_list(parse_envelope(data).payload if data[:1] == b"\xd8" else data)


def _roots_or_none(path: Path) -> Roots | None:
    try:
        return decode_roots(_read(path))
    except TrustListError:
        return None


def _open(asked: _Asked) -> Keyring:
    """The keys of the token that was asked for, else those of the keystore."""
    store = Keystore.open(asked.folder, _passphrase(asked.passphrase_file))
    if asked.token is None:
        return store
    token = click.get_current_context().with_resource(open_token(asked.token))
    return TokenKeyring(store, token)


def _passphrase(file: Path | None, *, confirm: bool = False) -> str:
    if file is None:
        entered: str = click.prompt(
            "Passphrase", hide_input=True, confirmation_prompt=confirm, err=True
        )
        return entered
    content = read_private(file)
    try:
        return content.decode().partition("\n")[0]
    except UnicodeDecodeError:
        # Its text, and the object itself, hold what could not be decoded.
        raise SourceFileError(f"{file}: the passphrase is not in UTF-8") from None


def _line(info: KeyInfo) -> str:
    window = " until ".join(map(format_time, (info.not_before, info.not_after)))
    return f"{info.kid.hex()}  {info.purpose:<10}  {info.region}  {info.state:<14}  {window}"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 2**10)


def _text(path: Path) -> str:
    return path.read_text("utf-8")


def _write(path: Path, data: bytes) -> None:
    """A new file; never over an old one, which somebody may have signed already."""
    with path.open("xb") as file:
        file.write(data)


def _now() -> int:
    return int(time.time())
