"""`celadon trust`: a trust list through its ceremony, and into its place. Shell.

Exit codes: 0 as asked, 1 refused, 2 wrong call. Every error is one line.
"""

import json
from pathlib import Path
from typing import Final

import click

from keys import keyfile, trusttext
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
    read_file,
    read_text,
    require_store,
    write_new,
)
from keys.errors import SourceFileError, TrustListError
from keys.instants import format_time
from keys.lifecycle import Purpose
from keys.store import Keystore
from keys.trustenvelope import encode_envelope, merge_envelopes, parse_envelope, sign_payload
from keys.trustlist import (
    Roots,
    TrustList,
    decode_roots,
    decode_trust_list,
    encode_roots,
    encode_trust_list,
    verify_trust_list,
)
from keys.trustplace import Place, held_list, put_trust_list, said_of, unverified
from keys.trustsource import roots_of_records, source_of_trust_list, trust_list_of_source
from keys.trustupdate import accept_trust_list, require_may_follow

__all__ = ["trust"]


_HELD = click.option(
    "--held", type=FILE,
    help="The list in force: show what changes, and refuse what verifiers that hold it would.",
)  # fmt: skip
_ROOTS = click.option(
    "--roots", "roots_file", required=True, type=FILE, help="What verifiers trust now."
)
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group(cls=Group)
def trust() -> None:
    """Carry a trust list from draft to publication.

    The draft is made where the issuers' records arrive; each root holder signs it on their own
    machine, after reading it; the signed parts come back, are combined and published. Only files
    travel.
    """


@trust.command("roots")
@click.argument("records", type=FILE, nargs=-1, required=True)
@click.option("--epoch", required=True, type=click.IntRange(min=1), help="1, or one more.")
@click.option("--threshold", required=True, type=click.IntRange(min=1), help="How many must sign.")
@OUT
def roots_command(records: tuple[Path, ...], epoch: int, threshold: int, out: Path) -> None:
    """Make the file of roots from public RECORDS.

    Verifiers are given it once, by hand; a list's source names the same keys.
    """
    found = {str(path): keyfile.decode_public_record(read_text(path)) for path in records}
    roots = roots_of_records(found, epoch=epoch, threshold=threshold)
    write_new(out, encode_roots(roots))
    click.echo(trusttext.roots_text(roots))


@trust.command()
@click.argument("source", type=FILE)
@_HELD
@OUT
def draft(source: Path, held: Path | None, out: Path) -> None:
    """Make the bytes to be signed from a SOURCE in JSON.

    `trust show --json` prints the source of any list. A key may stand there as {"record": "FILE"},
    with FILE beside the source.
    """

    def read_record(name: str) -> keyfile.PublicRecord:
        return keyfile.decode_public_record(read_text(source.parent / name))

    made = trust_list_of_source(keyfile.parse_json(read_text(source)), read_record)
    shown = _draft_text(made, held)
    write_new(out, encode_trust_list(made))
    click.echo(shown)


@trust.command()
@click.argument("draft_file", metavar="DRAFT", type=FILE)
@click.option("--kid", "root", required=True, type=KID, help="Your root key.")
@_HELD
@STORE
@PASSPHRASE
@OUT
def sign(  # noqa: PLR0913, PLR0917 - click hands over one argument for each option
    draft_file: Path,
    root: bytes,
    held: Path | None,
    folder: Path | None,
    passphrase_file: Path | None,
    out: Path,
) -> None:
    """Show a DRAFT in full, and sign it with a root key.

    Read it, compare the digest with the other holders by voice, then type the version.
    """
    keystore = require_store(folder)
    payload = read_file(draft_file)
    drafted = said_of(draft_file, lambda: decode_trust_list(payload))
    click.echo(_draft_text(drafted, held))
    typed = click.prompt(f"To sign, type the version ({drafted.version})", type=int)
    if typed != drafted.version:
        raise SourceFileError(f"version {drafted.version} was not signed")
    store = Keystore.open(keystore, ask_passphrase(passphrase_file))
    if store.environment is not drafted.environment:
        raise SourceFileError(f"a {store.environment} root cannot sign for {drafted.environment}")
    region = store.info(root).region
    signer = store.signer(root, purpose=Purpose.TRUST_ROOT, region=region, clock=read_clock)
    write_new(out, encode_envelope(payload, [sign_payload(payload, signer)]))
    click.echo(f"wrote {out}, signed by {root.hex()}")


@trust.command()
@click.argument("parts", type=FILE, nargs=-1, required=True)
@_ROOTS
@OUT
def combine(parts: tuple[Path, ...], roots_file: Path, out: Path) -> None:
    """Put the signed PARTS together.

    The list is written only if verifiers take its signatures.
    """
    data = merge_envelopes(read_file(part) for part in parts)
    made = verify_trust_list(data, _roots(roots_file))
    write_new(out, data)
    signers = len(parse_envelope(data).signatures)
    click.echo(f"wrote {out}: version {made.version}, {signers} signatures")


@trust.command()
@click.argument("list_file", metavar="LIST", type=FILE)
@_ROOTS
@click.option("--held", type=FILE, help="The list that they hold; without it, none.")
@click.option("--at", type=TIME, default="now", help="As of this time.")
def verify(list_file: Path, roots_file: Path, held: Path | None, at: int) -> None:
    """Say whether a verifier would take LIST, who signed it, and why not."""
    roots = _roots(roots_file)
    data = read_file(list_file)
    before = None
    if held is not None:
        old = read_file(held)
        before = said_of(held, lambda: held_list(old, roots))
    taken = accept_trust_list(before, data, roots=roots, now=at)
    # One signature that is wrong or of nobody known, and the list was not taken.
    signers = ", ".join(signature.kid.hex() for signature in parse_envelope(data).signatures)
    click.echo(
        f"good: version {taken.version}, {taken.environment}, {len(taken.issuers)} issuers, "
        f"until {format_time(taken.not_after)}, signed by {signers}"
    )


@trust.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print the list's source instead.")
def show(file: Path, *, as_json: bool) -> None:
    """Print a draft, a list or a file of roots. Verifies no signature."""
    roots = _roots_or_none(file)
    if roots is not None:
        click.echo(trusttext.roots_text(roots))
    elif as_json:
        source = source_of_trust_list(_any_list(file))
        click.echo(json.dumps(source, indent=2, ensure_ascii=False))
    else:
        click.echo(trusttext.trust_list_text(_any_list(file)))
        click.echo("no signature was verified")


@trust.command()
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
def diff(old: Path, new: Path) -> None:
    """Compare two lists or drafts, line by line.

    What NEW says and OLD does not has a "+", what it says no more a "-", and what is right only in
    an emergency a "!". Verifies no signature.
    """
    click.echo(trusttext.changes_text(_any_list(old), _any_list(new)))
    click.echo("no signature was verified")


@trust.command()
@click.argument("list_file", metavar="LIST", type=FILE)
@_ROOTS
@click.option(
    "--public", required=True, type=_FOLDER, help="The folder that a web server gives to everybody."
)
@click.option(
    "--issuer", type=_FOLDER, help="Also an issuer's CELADON_TRUST; its own roots decide there."
)
@click.option("--at", type=TIME, default="now", help="As of this time.")
def publish(list_file: Path, roots_file: Path, public: Path, issuer: Path | None, at: int) -> None:
    """Put LIST where verifiers find it.

    It becomes trust-list.cbor there, whole and durable, if verifiers that hold what stands there
    now would take it; else nothing changes. A running issuer takes it from its CELADON_TRUST within
    ten seconds.
    """
    places = [Place(public, keeps_roots=False)]
    if issuer is not None:
        if issuer.samefile(public):
            raise click.UsageError("an issuer's CELADON_TRUST is not the public folder")
        places.append(Place(issuer, keeps_roots=True))
    roots = _roots(roots_file)
    data = read_file(list_file)
    published = put_trust_list(data, places, roots=roots, now=at)
    for place in places:
        click.echo(f"version {published.version} is in {place.list_file}")


def _draft_text(drafted: TrustList, held_file: Path | None) -> str:
    """All that a draft says, and what it changes, if verifiers could ever take it."""
    text = trusttext.trust_list_text(drafted)
    if held_file is None:
        return text
    held = _list_in_force(held_file)
    require_may_follow(held, drafted)
    return f"{text}\n{trusttext.changes_text(held, drafted)}"


def _list_in_force(path: Path) -> TrustList:
    """A list that the roots which it names signed: else it could hide from signers what changes."""
    data = read_file(path)
    return said_of(path, lambda: verify_trust_list(data, unverified(data).roots))


def _any_list(path: Path) -> TrustList:
    """A draft or a signed list, without a look at its signatures."""
    data = read_file(path)
    signed = data[:1] == b"\xd8"
    return said_of(path, lambda: unverified(data) if signed else decode_trust_list(data))


def _roots(path: Path) -> Roots:
    data = read_file(path)
    return said_of(path, lambda: decode_roots(data))


def _roots_or_none(path: Path) -> Roots | None:
    try:
        return decode_roots(read_file(path))
    except TrustListError:
        return None
