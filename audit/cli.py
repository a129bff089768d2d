"""`celadon audit`: verify the log, review grants, and hand out checkpoints and proofs. Shell.

Exit codes: 0 as asked, 1 the log does not verify, 2 it could not be asked. Unlike in the other
commands of `celadon` 1 is a verdict here, for monitoring: nothing else may end with it.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click
from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from audit.database import database_reason, open_engine
from audit.errors import AuditError
from audit.logreader import LogReader
from audit.publish import write_public
from audit.review import Reviewed, review
from audit.tlog.note import NoteKey, parse_vkey
from audit.tlog.proof import encode_proof
from audit.verify import Broken, Verified, verify_log
from keys.arguments import TIME, os_reason
from keys.instants import format_time

__all__ = ["audit"]

_BROKEN = 1
_USAGE = 2
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Group(click.Group):
    """Turns our errors into one line and exit code 2, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (AuditError, ValueError) as error:
            reason = str(error)
        except OSError as error:
            reason = os_reason(error)
        except DBAPIError as error:
            reason = database_reason(error)
        click.echo(f"error: {reason}", err=True)
        return ctx.exit(_USAGE)


@click.group(cls=_Group)
def audit() -> None:
    """Verify the log, review grants, give checkpoints and proofs."""


def _of_a_log(command: _Command) -> _Command:
    """Options that say which log, and by which key it is known."""
    database = click.option(
        "--database", required=True, envvar="CELADON_AUDIT_DATABASE", metavar="URL",
        help="The audit database; or set CELADON_AUDIT_DATABASE.",
    )  # fmt: skip
    vkey = click.option(
        "--vkey", required=True, type=_FILE,
        help="The file with the log's public key, from somewhere else than the database.",
    )  # fmt: skip
    return database(vkey(command))


@audit.command()
@_of_a_log
@click.option(
    "--seen", multiple=True, type=_FILE,
    help="A checkpoint that was published earlier; may be given more than once.",
)  # fmt: skip
def verify(database: str, vkey: Path, seen: tuple[Path, ...]) -> None:
    """Re-hash every stored byte; name the first misfit."""
    with _opened(database, vkey) as log:
        verdict = verify_log(log.engine, log.key, seen=[path.read_bytes() for path in seen])
    match verdict:
        case Verified(size, root, time):
            root_text = base64.b64encode(root).decode()
            when = "" if time is None else f", signed {format_time(time)}"
            click.echo(f"verified: {size} entries, root {root_text}{when}")
        case Broken() as broken:
            click.echo(f"BROKEN: {broken}")
            click.get_current_context().exit(_BROKEN)


@audit.command()
@_of_a_log
def checkpoint(database: str, vkey: Path) -> None:
    """Print the newest signed checkpoint."""
    with _opened(database, vkey) as log:
        click.echo(log.reader.checkpoint(), nl=False)


@audit.command()
@_of_a_log
@click.argument("leaf_index", type=click.IntRange(min=0))
def prove(database: str, vkey: Path, leaf_index: int) -> None:
    """Print a proof that an entry is in the log.

    The format is c2sp.org/tlog-proof. The entry is not opened.
    """
    with _opened(database, vkey) as log:
        click.echo(encode_proof(log.reader.inclusion(leaf_index)), nl=False)


@audit.command()
@_of_a_log
@click.argument("old", type=click.IntRange(min=0))
@click.argument("new", type=click.IntRange(min=0))
def consistency(database: str, vkey: Path, old: int, new: int) -> None:
    """Print a proof that a log of NEW entries extends one of OLD."""
    with _opened(database, vkey) as log:
        for item in log.reader.consistency(old, new):
            click.echo(base64.b64encode(item))


@audit.command()
@_of_a_log
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def publish(database: str, vkey: Path, folder: Path) -> None:
    """Write checkpoint, verifier key and proofs below FOLDER."""
    with _opened(database, vkey) as log:
        write_public(log.reader, folder)


@audit.command()
@_of_a_log
@click.option("--since", type=TIME, help="Count reads from this time on only.")
def grants(database: str, vkey: Path, since: int | None) -> None:
    """Show every grant, and how much was read under it.

    Most reads first, with whoever tried without a grant. Names staff and nobody who was read.
    Verify the log first.
    """
    with _opened(database, vkey) as log:
        for each in review(log.engine, since=since or 0):
            click.echo("\n  ".join(_lines(each)))


def _lines(each: Reviewed) -> Iterator[str]:
    grant = each.grant
    if grant is None:
        yield each.who
    else:
        yield f"{each.who}: {grant.role} of {grant.organisation.id}, grant {grant.grant_id.hex()}"
        ended = "" if each.ended_at is None else f", ended {format_time(each.ended_at)}"
        yield (
            f"by {grant.granted_by}, {format_time(grant.valid_from)} until "
            f"{format_time(grant.valid_until)}{ended}"
        )
        yield f"for {_words(grant.purposes)}: {_words(grant.fields)}"
        quotas = grant.quotas
        yield (
            f"at most {quotas.clerk} reads in 8 hours, {quotas.person} of one person and "
            f"{quotas.organisation} of the organisation in a day"
        )
    refused = "".join(f", refused for {why}: {n}" for why, n in sorted(each.refused.items()))
    yield f"reads: {each.reads}, people: {len(each.people)}{refused}"


def _words(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


class _OpenLog(NamedTuple):
    engine: Engine
    key: NoteKey

    @property
    def reader(self) -> LogReader:
        return LogReader(self.engine, self.key)


@contextmanager
def _opened(database: str, vkey: Path) -> Iterator[_OpenLog]:
    key = parse_vkey(vkey.read_text().removesuffix("\n"))
    engine = _open(database)
    try:
        yield _OpenLog(engine, key)
    finally:
        engine.dispose()


def _open(database: str) -> Engine:
    path = Path(database.removeprefix("sqlite:///"))
    if database.startswith("sqlite:///") and not path.is_file():
        raise FileNotFoundError(f"no database at {path}")
    try:
        return open_engine(database)
    except ArgumentError as error:
        raise ValueError("the database's URL cannot be read") from error
