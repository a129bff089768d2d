"""`celadon audit`: verify the log, and hand out checkpoints and proofs. Shell.

Exit codes: 0 as asked, 1 the log does not verify, 2 it could not be asked.
"""

import base64
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from audit.database import open_engine
from audit.errors import AuditError
from audit.logreader import LogReader
from audit.publish import write_public
from audit.tlog.note import NoteKey, parse_vkey
from audit.tlog.proof import encode_proof
from audit.verify import Broken, Verified, verify_log

__all__ = ["audit"]

_BROKEN = 1
_USAGE = 2


class _Group(click.Group):
    """Turns our errors into one line and exit code 2, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (AuditError, ValueError, OSError) as error:
            reason = str(error)
        except DBAPIError as error:
            reason = f"the database: {error.orig}"
        click.echo(f"error: {reason}", err=True)
        return ctx.exit(_USAGE)


@click.group(cls=_Group)
@click.option(
    "--database", required=True, envvar="CELADON_AUDIT_DATABASE", metavar="URL",
    help="The audit database; or set CELADON_AUDIT_DATABASE.",
)  # fmt: skip
@click.option(
    "--vkey", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The file with the log's public key, from somewhere else than the database.",
)  # fmt: skip
@click.pass_context
def audit(context: click.Context, database: str, vkey: Path) -> None:
    """Verify the audit log, and hand out its checkpoints and proofs."""
    engine = _open(database)
    context.call_on_close(engine.dispose)
    context.obj = (engine, parse_vkey(vkey.read_text().removesuffix("\n")))


@audit.command()
@click.option(
    "--seen", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint that was published earlier; may be given more than once.",
)  # fmt: skip
@click.pass_context
def verify(context: click.Context, seen: tuple[Path, ...]) -> None:
    """Re-hash everything from stored bytes; name the first entry that does not fit."""
    engine, key = _asked(context)
    match verify_log(engine, key, seen=[path.read_bytes() for path in seen]):
        case Verified(size, root, time):
            root_text = base64.b64encode(root).decode()
            when = "" if time is None else f", signed {datetime.fromtimestamp(time, UTC):%F %TZ}"
            click.echo(f"verified: {size} entries, root {root_text}{when}")
        case Broken() as broken:
            click.echo(f"BROKEN: {broken}")
            context.exit(_BROKEN)


@audit.command()
@click.pass_context
def checkpoint(context: click.Context) -> None:
    """Print the newest signed checkpoint."""
    click.echo(_reader(context).checkpoint(), nl=False)


@audit.command()
@click.argument("leaf_index", type=click.IntRange(min=0))
@click.pass_context
def prove(context: click.Context, leaf_index: int) -> None:
    """Print a proof that an entry is in the log (c2sp.org/tlog-proof). Does not open it."""
    click.echo(encode_proof(_reader(context).inclusion(leaf_index)), nl=False)


@audit.command()
@click.argument("old", type=click.IntRange(min=0))
@click.argument("new", type=click.IntRange(min=0))
@click.pass_context
def consistency(context: click.Context, old: int, new: int) -> None:
    """Print the hashes that show the log of NEW entries to begin with that of OLD."""
    for item in _reader(context).consistency(old, new):
        click.echo(base64.b64encode(item))


@audit.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def publish(context: click.Context, folder: Path) -> None:
    """Write log/checkpoint, log/vkey and log/proofs.json below FOLDER."""
    write_public(_reader(context), folder)


def _open(database: str) -> Engine:
    path = Path(database.removeprefix("sqlite:///"))
    if database.startswith("sqlite:///") and not path.is_file():
        raise FileNotFoundError(f"no database at {path}")
    try:
        return open_engine(database)
    except ArgumentError as error:
        raise ValueError("the database's URL cannot be read") from error


def _asked(context: click.Context) -> tuple[Engine, NoteKey]:
    engine, key = context.obj
    return engine, key


def _reader(context: click.Context) -> LogReader:
    return LogReader(*_asked(context))
