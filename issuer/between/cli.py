"""`celadon region`: notices to and from other regions, and appeals about them. Shell.

A person's identity is read from a file or from standard input, never from the command line, where
every process could read it.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import click

from issuer.app import Office
from issuer.between.appeals import theirs
from issuer.between.envelope import MAX_BYTES, is_receipt
from issuer.between.message import ID_BYTES
from issuer.between.sending import all_queues, open_notices
from issuer.colour.evidence import EVIDENCE_ID_BYTES, Evidence, evidence_from
from issuer.colour.timeline import local_date
from issuer.errors import RegionError
from issuer.opening import open_office
from issuer.people.identity import Identity, normalise
from issuer.storage.store import read_store
from issuer.web.times import format_instant, parse_instant
from keys.files import write_private

__all__ = ["region"]

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, file_okay=False)
_MEMBERS: Final = frozenset({"name", "phone", "identity_number", "records"})
_RECORD: Final = frozenset({"kind", "value", "at", "until", "place"})


@click.group()
def region() -> None:
    """Tell other regions of evidence, take theirs, answer appeals.

    `celadon serve` delivers and takes notices by itself (docs/ops/regions.md).
    """


@region.command()
@click.option("--to", required=True, help="The region to tell, six digits.")
@click.argument("file", type=click.File("rb"))
def tell(to: str, file: Any) -> None:  # noqa: ANN401 - click's file
    """Tell a region of evidence about a person.

    FILE is JSON, - is standard input:

    \b
    {"name": ..., "phone": ..., "identity_number": ...,
     "records": [{"kind": "contact", "value": "confirmed", "at": "2020-12-10"}]}

    Phone or identity number; a record may have "until" and "place". Prints the ids of the
    records, which take-back needs.
    """  # noqa: D301 - click's mark for lines that stay as they are
    told = _object(file.read(MAX_BYTES + 1))
    with open_office() as opened:
        person = _person(told, opened.clock())
        records = [_record(one, opened) for one in _records(told)]
        message_id = opened.exchange.tell(to, person, records)
    click.echo(f"notice {message_id.hex()} waits for region {to}")
    for record in records:
        click.echo(f"  {record.evidence_id.hex()}  {record.kind}: {record.value}")


@region.command("take-back")
@click.option("--to", required=True, help="The region that was told, six digits.")
@click.argument("record_ids", nargs=-1, required=True)
def take_back(to: str, record_ids: tuple[str, ...]) -> None:
    """Take records back that we told another region of."""
    with open_office() as opened:
        ids = [_hex(text, EVIDENCE_ID_BYTES, "record") for text in record_ids]
        message_id = opened.exchange.withdraw(to, ids)
    click.echo(f"notice {message_id.hex()} waits for region {to}")


@region.command()
@click.argument("folder", type=_FOLDER)
@click.option("--to", required=True, help="The region to write notices for, six digits.")
def send(folder: Path, to: str) -> None:
    """Write notices into FOLDER, to be carried.

    The oldest without a receipt. They stay in the queue until `celadon region receive` gets
    their receipts.
    """
    with open_office() as opened:
        writer = opened.writer
        with read_store(writer.engine) as store:
            rows = open_notices(store, writer.secrets, to)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for row in rows:
            name = f"{row.number:012d}-{row.message_id.hex()}.notice"
            write_private(folder / name, row.envelope or b"", token=row.message_id.hex())
    click.echo(f"{len(rows)} notices for region {to} in {folder}")


@region.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
def receive(files: tuple[Path, ...]) -> None:
    """Take notices and receipts that came as files.

    For each notice a receipt is written beside it, to be carried back.
    """
    with open_office() as opened:
        for file in files:
            with file.open("rb") as source:
                data = source.read(MAX_BYTES + 1)
            if is_receipt(data):
                sent = opened.exchange.take_receipt(data)
                click.echo(f"{file.name}: region {sent.receiver} holds notice {sent.number}")
            else:
                receipt = opened.exchange.receive(data)
                where = file.with_suffix(".receipt")
                write_private(where, receipt, token=os.urandom(8).hex())
                click.echo(f"{file.name}: held; its receipt is {where.name}")
        taken = opened.exchange.take()
        opened.publisher.publish_changed(now=opened.clock())
    click.echo(f"{taken} notices had their effect")


@region.command()
@click.option("--to", required=True, help="The region, six digits.")
@click.option("--after", required=True, type=int, help="The last number that it took.")
def resume(to: str, after: int) -> None:
    """Number on after a restored database.

    A database out of an old copy would use numbers a second time, and the region refuses them:
    `celadon region receive` says there which one it took last. What waits for the region is
    given up and has to be told anew.
    """
    with open_office() as opened:
        count = opened.exchange.resume(to, after)
    click.echo(f"the next notice for region {to} has number {after + 1}; {count} were given up")


@region.command()
def queue() -> None:
    """Show what waits for which region.

    How many notices, since when, and when they are tried again.
    """
    with open_office() as opened:
        writer = opened.writer
        with read_store(writer.engine) as store:
            for receiver, count, oldest, next_try in all_queues(store):
                click.echo(
                    f"{receiver}  {count} since {format_instant(oldest)}, next try "
                    f"{format_instant(next_try)}"
                )


@region.command()
def appeals() -> None:
    """Show appeals that wait for our answer.

    About what we told other regions, the most urgent first.
    """
    with open_office() as opened:
        writer, now = opened.writer, opened.clock()
        with read_store(writer.engine) as store:
            for row in theirs(store, writer.secrets):
                late = "  LATE" if row.deadline <= now else ""
                click.echo(
                    f"{row.appeal_id.hex()}  {row.region}  {row.ground}, "
                    f"answer by {format_instant(row.deadline)}{late}"
                )
                for evidence_id in row.ids():
                    click.echo(f"  {evidence_id.hex()}")


@region.command()
@click.argument("appeal_id")
@click.argument("answer", type=click.Choice(["upheld", "corrected"]))
def answer(appeal_id: str, answer: str) -> None:
    """Answer another region's appeal.

    The records stand, or they were wrong and are taken back.
    """
    with open_office() as opened:
        named = _hex(appeal_id, ID_BYTES, "appeal")
        row = opened.exchange.answer(named, is_upheld=answer == "upheld")
    click.echo(f"appeal {appeal_id} is {answer}; the answer waits for region {row.region}")


@region.command()
@click.option("--from", "sender", required=True, help="The region that told us, six digits.")
@click.option("--since", required=True, help="2020-12-13, or 2020-12-13T08:00:00+08:00.")
@click.option("--until", help="The same; now, where it is left out.")
def retract(sender: str, since: str, until: str | None) -> None:
    """Delete what a region told us in a time.

    Everybody concerned is decided anew.
    For a region that sent wrong evidence. What still waits for people who are not registered
    here goes as well, whenever it came.
    """
    with open_office() as opened:
        end = opened.clock() if until is None else parse_instant(until, "until")
        count = opened.exchange.retract_from(sender, parse_instant(since, "since"), end)
        opened.publisher.publish_changed(now=opened.clock())
    click.echo(f"{count} records of region {sender} taken back")


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegionError("the file is not JSON, or too long") from error
    if type(value) is not dict or not value.keys() <= _MEMBERS:
        raise RegionError(f"the file is not an object with {', '.join(sorted(_MEMBERS))}")
    return value


def _person(told: dict[str, Any], now: int) -> Identity:
    """As the desk spells it. Errors name the member, never its value."""
    name, phone, number = (told.get(member) for member in ("name", "phone", "identity_number"))
    if not isinstance(name, str) or not (phone or number):
        raise RegionError("the file needs a name, and a phone or an identity number")
    if not isinstance(phone, str | None) or not isinstance(number, str | None):
        raise RegionError("phone and identity_number are texts")
    return normalise(name, phone, number, today=local_date(now))


def _records(told: dict[str, Any]) -> list[dict[str, Any]]:
    records = told.get("records")
    if type(records) is not list or not records:
        raise RegionError("records: not a list with something in it")
    for record in records:
        if type(record) is not dict or not record.keys() <= _RECORD:
            raise RegionError(f"a record is not an object with {', '.join(sorted(_RECORD))}")
    return records


def _record(told: dict[str, Any], opened: Office) -> Evidence:
    until = told.get("until")
    return evidence_from(
        [
            os.urandom(EVIDENCE_ID_BYTES),
            told.get("kind"),
            _instant(told.get("at"), "at"),
            None if until is None else _instant(until, "until"),
            told.get("place", ""),
            told.get("value"),
            opened.writer.authority.source,
            opened.settings.region,
            opened.clock(),
        ]
    )


def _instant(text: object, member: str) -> int:
    if not isinstance(text, str):
        raise RegionError(f"{member}: not a time")
    return parse_instant(text, member)


def _hex(text: str, size: int, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise RegionError(f"{what}: an id has {2 * size} hex digits") from error
    if len(value) != size:
        raise RegionError(f"{what}: an id has {2 * size} hex digits")
    return value
