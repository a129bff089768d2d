"""`celadon recover`: the log, the database, rules and risks, and what is published. Shell.

Every step may be done again, so a crash on the way needs nothing but the same command once more.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from audit.database import open_engine, reading
from audit.errors import CheckpointError, NoteError
from audit.restart import restart_log
from audit.store import read_head
from audit.tlog.checkpoint import SignedCheckpoint, parse_checkpoint, verify_checkpoint
from audit.tlog.note import NoteKey, parse_note
from issuer.app import Office, office
from issuer.colour.adoption import adopt_risk_table, adopt_rules
from issuer.colour.policy import rules_key
from issuer.colour.reassess import run_jobs
from issuer.colour.risk import RISK_TABLE_TYP, verify_risk_table
from issuer.errors import RecoveryError, RestoredError
from issuer.keyroom import Clock, newest_signer
from issuer.people.people import IndexCost
from issuer.recovery.recovery import (
    Reconciled,
    published_lists,
    reconcile_copies,
    require_reconciled,
)
from issuer.rules.rules import RULES_TYP, verify_rules
from issuer.settings import Settings
from keys.lifecycle import Purpose
from keys.store import Keystore

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came of it.

    Attributes:
        lost_entries: How many entries the log had more.
    """

    reconciled: Reconciled
    lost_entries: int


def recover(  # noqa: PLR0913 - the last is for drills
    settings: Settings,
    keystore: Keystore,
    *,
    published: Path,
    checkpoint: bytes,
    clock: Clock,
    cost: IndexCost | None = None,
) -> Recovered:
    """Make databases out of an older copy safe to go on with, and publish.

    Args:
        settings: With a new name for the log (CELADON_LOG_ORIGIN), if it lost entries.
        keystore: Open; it was not lost.
        published: The public folder as it was last, or a door's or mirror's copy of it.
        checkpoint: The newest checkpoint of the log that anybody has.
        clock: The present second.
        cost: Of an index entry.

    Raises:
        RecoveryError: Something does not fit together. Nothing was issued.
        IssuerError, AuditError, KeysError: As `office`.
    """
    key, seen = _seen(keystore, checkpoint)
    lost = _carry_on(settings, keystore, key, seen, clock)
    with office(settings, keystore, clock=clock, cost=cost, restored=True) as opened:
        authority = opened.writer.authority
        if not lost and settings.log_origin == key.name:
            _require_older(opened, published)
        lists = published_lists(published, authority.trust, authority.issuer)
        work = partial(
            reconcile_copies,
            published=lists,
            people=opened.people,
            erasures=opened.erasures,
            log=opened.log,
            lost=seen if lost else None,
        )
        reconciled = opened.writer.run(work, now=clock())
        _adopt(opened, published)
        run_jobs(opened.writer, now=clock())
        opened.publish()
    return Recovered(reconciled, lost)


def _require_older(opened: Office, published: Path) -> None:
    """Refuse to trouble everybody where nothing is newer than the databases."""
    writer = opened.writer
    issuer = writer.authority.issuer
    try:
        require_reconciled(writer.engine, opened.log, writer.secrets, published, issuer)
    except RestoredError:
        return
    raise RecoveryError("nothing that is known is newer than the databases: nothing to recover")


def _seen(keystore: Keystore, note: bytes) -> tuple[NoteKey, SignedCheckpoint]:
    """The newest checkpoint, and the name and key of its log, which must have been ours."""
    try:
        origin = parse_checkpoint(parse_note(note).text).origin
    except (NoteError, CheckpointError) as error:
        raise RecoveryError(f"the checkpoint: {error}") from error
    for info in keystore.keys():  # noqa: SIM118 - a keystore, not a dict
        if info.purpose is not Purpose.CHECKPOINT:
            continue
        key = NoteKey(origin, info.public_key)
        try:
            return key, verify_checkpoint(note, key)
        except CheckpointError:
            continue
    raise RecoveryError("the checkpoint is not signed by a key of this keystore")


def _carry_on(
    settings: Settings, keystore: Keystore, old: NoteKey, seen: SignedCheckpoint, clock: Clock
) -> int:
    """See to it that the log signs no other tree of a size that it signed; entries that it lost."""
    engine = open_engine(settings.audit_database)
    try:
        with reading(engine) as connection:
            head = read_head(connection)
        size = 0 if head is None else head.tree_size
        lost = max(0, seen.checkpoint.tree_size - size)
        name = parse_checkpoint(parse_note(head.checkpoint).text).origin if head else old.name
        if name == settings.log_origin != old.name:
            return lost  # done before
        if lost and settings.log_origin == old.name:
            raise RecoveryError(
                f"the log lost {lost} entries that it signed for: give it another name,"
                f" CELADON_LOG_ORIGIN={old.name}/2"
            )
        if settings.log_origin != old.name:
            signer = newest_signer(keystore, Purpose.CHECKPOINT, settings.region, clock)
            restart_log(engine, signer, old=old, origin=settings.log_origin, seen=seen)
        return lost
    finally:
        engine.dispose()


def _adopt(opened: Office, published: Path) -> None:
    """Rules and risks that came into force after the copy was made, if they are published."""
    trust = opened.writer.authority.trust
    newer = []
    for path in sorted((published / "rules").glob("*.cbor")):
        signed = path.read_bytes()
        rules = verify_rules(signed, rules_key(trust, signed, typ=RULES_TYP), now=opened.clock())
        held = opened.writer.authority.rules
        if rules.id != held.id or rules.version > held.version:
            newer.append((rules.valid_from, signed))
    for _, signed in sorted(newer):
        opened.writer.run(partial(adopt_rules, signed=signed), now=opened.clock())
    table = published / "risk-table.cbor"
    if table.exists():
        signed = table.read_bytes()
        risks = verify_risk_table(signed, rules_key(trust, signed, typ=RISK_TABLE_TYP))
        if risks.version > opened.writer.authority.risks.version:
            opened.writer.run(partial(adopt_risk_table, signed=signed), now=opened.clock())
