"""`celadon`: make, open and serve an issuer. Shell.

Exit codes: 0 as asked, 1 refused or failed, 2 wrong call or settings. Errors are one line each.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import click
import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from audit.cli import audit
from audit.database import database_reason
from audit.errors import AuditError
from issuer import logging as json_logging
from issuer import opening
from issuer.app import Office, init, office, replaying, sign_policy
from issuer.between.cli import region
from issuer.codes.issuing import Issuing
from issuer.codes.reissue import reissue
from issuer.colour.adoption import adopt_risk_table
from issuer.colour.evidence_store import take_notice
from issuer.colour.policy import Policy, risk_table_version, verify_policy
from issuer.colour.reassess import run_jobs
from issuer.colour.regions import load_regions
from issuer.colour.risk import RiskLevel, shipped_risk_table, sign_risk_table
from issuer.drills.cli import drill
from issuer.errors import InputError, IssuerError
from issuer.keyroom import newest_signer
from issuer.people.outbox import LocalOutbox
from issuer.people.problems import TEXTS
from issuer.recovery.comeback import recover
from issuer.rules.rules import parse_rules, shipped_rules, sign_rules
from issuer.settings import SettingsError, from_env
from issuer.storage.store import read_store
from issuer.web.factory import make_app
from issuer.web.server import Runner, require_c_extensions
from keys.arguments import KID, os_reason
from keys.cli import keys
from keys.cose import MessageSigner
from keys.errors import KeysError
from keys.instants import format_time
from keys.lifecycle import Purpose
from keys.trustcli import trust
from keys.trustlist import TrustList

__all__ = ["main"]

_T = TypeVar("_T")

_FAILED: Final = 1
_USAGE: Final = 2
_MAINTAIN_S: Final = 10
_DELIVER_S: Final = 5
_WATCH_S: Final = 60
_PUBLISH_S: Final = 6 * 3600
_FIRST_RISKS: Final = "2020-12-13"
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER: Final = click.Path(path_type=Path, exists=True, file_okay=False)
_LOG: Final = structlog.get_logger()


class _Group(click.Group):
    """Turns our errors into lines on standard error, never into a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            lines, code = error.problems, _USAGE
        except InputError as error:
            lines, code = (f"{error.field}: {TEXTS[error.problem].en}",), _FAILED
        except (IssuerError, AuditError, KeysError) as error:
            lines, code = (str(error),), _FAILED
        except OSError as error:
            lines, code = (os_reason(error),), _FAILED
        except SQLAlchemyError as error:
            lines, code = (database_reason(error),), _FAILED
        for line in lines:
            click.echo(f"error: {line}", err=True)
        return ctx.exit(code)


@click.group(cls=_Group)
@click.version_option(package_name="celadon")
def main() -> None:
    """Issue health codes: assess, sign, publish, and log every access.

    Settings come from CELADON_* environment variables (docs/ops/settings.md).
    """


main.add_command(keys)
main.add_command(trust)
main.add_command(audit)
main.add_command(drill)
main.add_command(region)


@main.command("init")
def init_command() -> None:
    """Make keystore, secrets, first keys and both databases."""
    settings = from_env(os.environ)
    made = init(settings, now=opening.clock())
    click.echo(f"made {settings.keystore} and both databases for region {settings.region}")
    for info in made.keys():  # noqa: SIM118 - a keystore, not a dict
        click.echo(f"  {info.kid.hex()}  {info.purpose:<10}  until {format_time(info.not_after)}")
    click.echo(
        "Next: celadon keys rotate --out FOLDER writes their records for the keepers of the trust\n"
        f"list; put roots.cbor and trust-list.cbor into {settings.trust}, then: celadon adopt"
    )


@main.command()
@click.argument("rule_set", default="shaanxi-2020-12")
@click.option(
    "--risk-table",
    help="A shipped risk table, or a signed one in a file that ends in .cbor. Without it the one "
    f"in force stays, and the first one is {_FIRST_RISKS}.",
)
def adopt(rule_set: str, risk_table: str | None) -> None:
    """Put RULE_SET and a risk table in force, and decide anew.

    Both come into force, or neither. RULE_SET is the name of a shipped one or a file that ends in
    .json, which our key signs; or a file that ends in .cbor, signed by a rules key of the trust
    list: what another region published, and what the trust list pins.
    """
    settings, keystore = opening.open_keystore()
    signer = partial(newest_signer, keystore, Purpose.RULES, settings.region, opening.clock)
    rules = _rules_document(rule_set, signer)
    risks = _risk_document(risk_table or _FIRST_RISKS, signer)

    def offered(trust_list: TrustList) -> Policy:
        return verify_policy((rules, risks), trust_list, now=opening.clock())

    with office(settings, keystore, clock=opening.clock, in_force=offered) as opened:
        with read_store(opened.engine) as store:
            stays = risk_table is None and risk_table_version(store) is not None
        opened.adopt(rules, None if stays else risks)
        opened.publish()
        authority = opened.writer.authority
    click.echo(
        f"in force: {authority.rules.id} version {authority.rules.version}, risk table version "
        f"{authority.risks.version}; published"
    )


def _rules_document(name: str, signer: Callable[[], MessageSigner]) -> bytes:
    if name.endswith(".cbor"):
        return Path(name).read_bytes()
    if name.endswith(".json"):
        return sign_rules(parse_rules(Path(name).read_bytes(), now=opening.clock()), signer())
    return sign_rules(_shipped(partial(shipped_rules, now=opening.clock()), name), signer())


def _risk_document(name: str, signer: Callable[[], MessageSigner]) -> bytes:
    if name.endswith(".cbor"):
        return Path(name).read_bytes()
    return sign_risk_table(_shipped(shipped_risk_table, name), signer())


def _shipped(load: Callable[[str], _T], name: str) -> _T:
    try:
        return load(name)
    except FileNotFoundError as error:
        raise click.UsageError(f"{name} is not shipped, and not a .json or .cbor file") from error


@main.command()
def publish() -> None:
    """Write the whole public folder anew.

    Lists, keys, rules, checkpoint and proofs.
    """
    with opening.open_office() as opened:
        opened.maintain()
        opened.publish()
    click.echo(f"published to {opened.settings.public}")


@main.command()
@click.argument("place")
@click.argument("level", type=click.Choice([level.name.lower() for level in RiskLevel]))
def risk(place: str, level: str) -> None:
    """Give PLACE a risk level from now on.

    Everybody concerned is decided anew, and the new table is published. PLACE is a division of
    GB/T 2260 (231081) or a compound in one (231081-qingyun).
    """
    settings, keystore = opening.open_keystore()
    named = load_regions().place(place)
    with office(settings, keystore, clock=opening.clock) as opened:
        now, authority = opening.clock(), opened.writer.authority
        table = authority.risks.with_change(place, RiskLevel[level.upper()], now, issued_at=now)
        policy = authority.rules, table
        _, signed = sign_policy(keystore, policy, region=settings.region, clock=opening.clock)
        opened.writer.run(lambda tx: adopt_risk_table(tx, signed), now=now)
        done = run_jobs(opened.writer, now=opening.clock())
        opened.publish()
    click.echo(
        f"{named.zh} is {level} in risk table {table.version}: {done.seen} people looked at again, "
        f"{done.recoloured} with another colour; published"
    )


@main.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
def notice(files: tuple[Path, ...]) -> None:
    """Take signed notices of evidence.

    In their order; each whole or not at all.
    """
    with opening.open_office() as opened:
        for file in files:
            signed = file.read_bytes()
            taken = opened.writer.run(partial(take_notice, signed=signed), now=opening.clock())
            click.echo(
                f"{file.name}: notice {taken.number} of {taken.source}, {len(taken.entries)} "
                f"records, {len(taken.retractions)} taken back"
            )
        opened.maintain()


@main.command("recover")
@click.option(
    "--published", type=_FOLDER, metavar="FOLDER",
    help="The newest public folder that anybody has; CELADON_PUBLIC by default.",
)  # fmt: skip
@click.option(
    "--checkpoint", type=_FILE,
    help="The newest checkpoint of the log that anybody has; the one in that folder by default.",
)  # fmt: skip
def recover_command(published: Path | None, checkpoint: Path | None) -> None:
    """Go on with databases that came out of an older copy.

    Nothing used is used again. Codes issued since the copy are taken back, whoever was erased is
    erased again, everybody binds again; then all is published. Where the log lost entries, give it
    a new name first (CELADON_LOG_ORIGIN). After a crash, run it once more. docs/ops/drills.md says
    more.
    """
    settings, keystore = opening.open_keystore()
    folder = published or settings.public
    note = checkpoint or folder / "log" / "checkpoint"
    done = recover(
        settings, keystore, published=folder, checkpoint=note.read_bytes(), clock=opening.clock
    )
    found = done.reconciled
    click.echo(
        f"{done.lost_entries} log entries are lost; {found.used_up} lists are used up, the next "
        f"is {found.next_list}; {found.kept} entries stay taken back; {found.erased} people "
        "erased again; published"
    )
    for source, number in found.sources:
        click.echo(f"ask the source {source} for its notices after number {number}")


@main.command("reissue")
@click.argument("kid", type=KID)
def reissue_command(kid: bytes) -> None:
    """Make every living code of a stolen code key anew.

    KID is the stolen key: stop it first (celadon keys compromise). The new codes are signed by the
    keys that are left, and the old ones are taken back. Whoever sends an earlier request
    again gets the new codes. After a crash, run it once more.
    """
    settings, keystore = opening.open_keystore()
    keystore.info(kid)
    with office(settings, keystore, clock=opening.clock) as opened:
        done = reissue(opened.writer, kid, now=opening.clock())
        opened.publish()
    click.echo(
        f"{done.taken_back} codes taken back, {done.made} made anew for {done.people} people; "
        f"{done.ask_again} people have another colour by now and ask for themselves; published"
    )
    if done.damaged:
        click.echo(f"{done.damaged} batches could not be read: celadon replay names them")
        click.get_current_context().exit(_FAILED)


@main.command()
def replay() -> None:
    """Compute every colour again and compare with the log.

    Names whatever differs; then the exit code is 1, as after an error. Verify the log first
    (celadon audit verify), and run this while nobody writes, or on copies. It changes nothing in
    databases and keystore.
    """
    settings, keystore = opening.open_keystore()
    found = 0
    with replaying(settings, keystore, clock=opening.clock) as replayed:
        for finding in replayed.findings():
            click.echo(f"DIFFERS: {finding}")
            found += 1
    click.echo(f"{replayed.people} people, {replayed.codes} codes, {found} findings")
    if found:
        click.get_current_context().exit(_FAILED)


@main.command()
@click.option("--reuse-port", is_flag=True, help="Let several processes listen on the port.")
def serve(reuse_port: bool) -> None:
    """Serve the JSON API, and keep the published lists fresh."""
    require_c_extensions()
    settings, keystore = opening.open_keystore()
    json_logging.configure(sys.stdout)
    json_logging.install_hooks()
    with office(settings, keystore, clock=opening.clock) as opened:
        asyncio.run(_serve(opened, reuse_port=reuse_port))


@keys.command("reconcile")
def reconcile_command() -> None:
    """Hold the counts of signatures against the log.

    For each code key, from where that was done last. A key that signed more or fewer codes than the
    log knows of signs no more; the exit code is 1. The service does the same every minute. Takes
    the service's settings, not the options of `celadon keys`.
    """
    with opening.open_office() as opened:
        differences = opened.reconcile()
    for each in differences:
        click.echo(f"DIFFERS: {each}")
    click.echo(f"{len(differences)} keys differ from the log")
    if differences:
        click.get_current_context().exit(_FAILED)


@main.command()
def outbox() -> None:
    """Show the messages in the local outbox, oldest first."""
    settings = from_env(os.environ)
    for message in LocalOutbox(settings.outbox).messages():
        when = datetime.fromtimestamp(message.at, UTC).strftime("%F %TZ")
        click.echo(f"{when}  to {message.phone}\n  {message.text.zh}\n  {message.text.en}")


async def _serve(opened: Office, *, reuse_port: bool) -> None:
    settings, stop = opened.settings, asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Issuing(opened.writer, clock=opened.clock) as issuing:
        runner = Runner(make_app(opened.services(issuing)))
        await runner.setup()
        try:
            site = web.TCPSite(
                runner, settings.listen_host, settings.listen_port, reuse_port=reuse_port or None
            )
            await site.start()
            _LOG.info("serving", port=settings.listen_port, region=settings.region)
            upkeep = asyncio.create_task(_keep_up(opened))
            post = asyncio.create_task(_keep_delivering(opened))
            await stop.wait()
            _LOG.info("stopping")
            upkeep.cancel()
            post.cancel()
        finally:
            await runner.cleanup()


async def _keep_up(opened: Office) -> None:
    """What is due, each as often as it has to be. Outlives its failures."""
    loop = asyncio.get_running_loop()
    every = {
        opened.renew_keys: _MAINTAIN_S,
        opened.publish: _PUBLISH_S,  # before the next: no list is signed twice in one second
        opened.maintain: _MAINTAIN_S,
        opened.watch_keys: _WATCH_S,
    }
    due = dict.fromkeys(every, 0.0)
    while True:
        for work, seconds in every.items():
            if loop.time() >= due[work]:
                due[work] = loop.time() + seconds
                try:
                    await asyncio.to_thread(work)
                except Exception as error:  # noqa: BLE001 - one failure keeps nothing else from its turn
                    _LOG.error("upkeep_failed", exc_info=error)
        await asyncio.sleep(_MAINTAIN_S)


async def _keep_delivering(opened: Office) -> None:
    """Notices to other regions, apart from the upkeep: a slow region delays nothing but itself."""
    while True:
        try:
            await asyncio.to_thread(opened.exchange.deliver)
        except Exception as error:  # noqa: BLE001 - the next round tries again
            _LOG.error("delivery_failed", exc_info=error)
        await asyncio.sleep(_DELIVER_S)


if __name__ == "__main__":
    main()
