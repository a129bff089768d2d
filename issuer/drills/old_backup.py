"""Both databases come out of a 7-day-old copy: nothing that was used since is used again."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from audit.database import open_engine
from audit.events import Kind
from audit.verify import Verified, verify_log
from issuer.codes.lists import SPREAD_S
from issuer.colour.risk import RiskLevel, sign_risk_table
from issuer.demo.cast import PEOPLE
from issuer.drills.scene import Drill, Scene
from issuer.drills.world import CHEAP, GRANDMOTHER, VISITOR, Venue, World, open_world
from issuer.errors import NoPersonError, RecoveryError, RestoredError
from issuer.recovery.comeback import Recovered, recover
from issuer.replay.replay import Replay
from issuer.stage import DAY_S
from keys.lifecycle import Purpose
from verifier.check import Reason
from verifier.claims import parse_code
from verifier.transport import decode_text

__all__ = ["OLD_BACKUP"]

_DAYS: Final = 7
_GRANDSON: Final = next(part for part in PEOPLE if part.slug == "li-xiaobao")
_RISING: Final = "231081-yingze-lidu"


@dataclass(frozen=True, slots=True)
class _Week:
    """What was there before the disk died.

    Attributes:
        codes: The text of every code that was issued.
        red: Taken back, because somebody met a confirmed case.
        erased: Withdrawn, because somebody was erased.
        newest: Of the grandmother, and good.
    """

    grandmother: bytes
    visitor: bytes
    grandson: bytes
    codes: list[str]
    red: str
    erased: str
    newest: str
    risk_version: int
    log_size: int
    checkpoint: bytes


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("Three people have codes; both databases are copied")
        people = [world.enrol(part) for part in (GRANDMOTHER, VISITOR, _GRANDSON)]
        codes = [world.paper_code(subject, key="day 0") for subject in people]
        world.publish()
        copies = _copied(world, scene.folder / "copies")

        scene.chapter(f"{_DAYS} days go by")
        week = _week(world, people, codes)
        door = world.venue("door")
        door.update()
        scene.say(
            f"{len(week.codes)} codes were issued, somebody turned red, somebody was erased, "
            "a risk level rose."
        )
        scene.prove(
            "the door knows it all",
            [door.reason(code) for code in (week.newest, week.red, week.erased)],
            [Reason.ADMITTED, Reason.SUPERSEDED, Reason.WITHDRAWN],
        )

        scene.chapter("The disk dies; the copies are all that is left")
        world.close()
        _restore(world, copies)
        scene.refused("the issuer does not open with them", RestoredError, world.reopen)
        scene.refused(
            "nor recovers under the log's old name: it would sign two histories",
            RecoveryError,
            lambda: _recover(world, week.checkpoint),
        )
        _recovered(scene, world, week, door)
        _goes_on(scene, world, week, door)


def _week(world: World, people: list[bytes], codes: list[str]) -> _Week:
    grandmother, visitor, grandson = people
    for day in range(1, _DAYS + 1):
        world.clock.wait(DAY_S - SPREAD_S)
        world.office.renew_keys()
        codes += [world.paper_code(subject, key=f"day {day}") for subject in people]
        world.publish()
    world.report_contact(visitor)
    world.office.enrolment.erase(grandson)
    authority, now = world.office.writer.authority, world.clock()
    risks = authority.risks.with_change(_RISING, RiskLevel.MEDIUM, now, issued_at=now)
    world.province.adopt_risks(sign_risk_table(risks, world.province.signer(Purpose.RULES)))
    newest = world.paper_code(grandmother, key="today")
    world.clock.wait(SPREAD_S)
    world.office.publish()  # as `celadon risk` does: the table too
    log = world.office.log
    _, red, erased = codes[-3:]
    return _Week(
        grandmother, visitor, grandson, [*codes, newest], red, erased, newest, risks.version,
        log.size(), log.checkpoint(),
    )  # fmt: skip


def _recovered(scene: Scene, world: World, week: _Week, door: Venue) -> None:
    scene.chapter("celadon recover, with a new name for the log")
    settings = world.site.settings
    renamed = replace(settings, log_origin=f"{settings.log_origin}/2")
    world.site = replace(world.site, settings=renamed)
    world.clock.wait(60)
    with scene.timed("recovered in"):
        done = _recover(world, week.checkpoint)
    world.reopen()
    found = done.reconciled
    scene.say(
        f"{done.lost_entries} of {week.log_size} log entries are lost; {found.used_up} lists are "
        f"used up, {found.kept} entries stay taken back, {found.erased} person is erased again."
    )
    _prove_log(scene, world, week.log_size)
    door.update()
    scene.prove(
        "what was taken back stays so: red, and erased",
        [door.reason(week.red), door.reason(week.erased)],
        [Reason.SUPERSEDED, Reason.WITHDRAWN],
    )
    scene.prove(
        "a code issued after the copy, which nobody could take back any more, is taken back",
        door.reason(week.newest),
        Reason.SUPERSEDED,
    )
    scene.refused(
        "who was erased stays erased", NoPersonError, lambda: world.paper_code(week.grandson)
    )
    scene.prove(
        "the risk table that was published is in force",
        world.office.writer.authority.risks.version,
        week.risk_version,
    )


def _goes_on(scene: Scene, world: World, week: _Week, door: Venue) -> None:
    scene.chapter("Business goes on")
    world.clock.wait(60)
    fresh = [
        world.paper_code(subject, key=f"after {turn}")
        for turn in range(10)
        for subject in (week.grandmother, week.visitor)
    ]
    world.publish()
    scene.prove("the door takes the new lists", door.update().problems, ())
    scene.prove("a fresh code gets in", door.reason(fresh[0]), Reason.ADMITTED)
    before, after = _places(week.codes), _places(fresh)
    scene.prove(
        f"none of {len(before)} pseudonyms of before is among {len(after)} new ones",
        before & after,
        set(),
    )
    scene.prove(
        "and no list number either",
        {number for number, _ in before} & {number for number, _ in after},
        set(),
    )


def _recover(world: World, checkpoint: bytes) -> Recovered:
    return recover(
        world.site.settings,
        world.site.keystore,
        published=world.public,
        checkpoint=checkpoint,
        clock=world.clock,
        cost=CHEAP,
    )


def _prove_log(scene: Scene, world: World, size: int) -> None:
    """The copy's entries are as they were, under the new name, and say what is missing."""
    log, writer = world.office.log, world.office.writer
    (event,) = log.events_of_kinds([Kind.RESTORED])
    scene.prove(
        "the log's own record says which checkpoint it falls short of",
        event.details["entries"],
        size,
    )
    engine = open_engine(world.site.settings.audit_database)
    try:
        verdict = verify_log(engine, log.key)
    finally:
        engine.dispose()
    scene.prove("an auditor verifies it", isinstance(verdict, Verified))
    replay = Replay(writer.engine, log, writer.secrets, writer.authority, now=world.clock())
    scene.prove(
        "and finds that the database agrees with it", [str(each) for each in replay.findings()], []
    )


def _places(codes: list[str]) -> set[tuple[int, int]]:
    parsed = [parse_code(decode_text(code)) for code in codes]
    return {(code.list_number, code.status_index) for code in parsed}


def _databases(world: World) -> list[Path]:
    settings = world.site.settings
    names = (settings.issuer_database, settings.audit_database)
    return [Path(make_url(name).database or "") for name in names]


def _copied(world: World, folder: Path) -> list[Path]:
    """Copies of both databases, as `sqlite3 .backup` makes them; the issuer's first."""
    folder.mkdir()
    copies = []
    for database in _databases(world):
        copy = folder / database.name
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        copies.append(copy)
    return copies


def _restore(world: World, copies: list[Path]) -> None:
    for database, copy in zip(_databases(world), copies, strict=True):
        for suffix in ("", "-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        database.write_bytes(copy.read_bytes())


OLD_BACKUP = Drill(
    "old-backup",
    "both databases restored from a 7-day-old copy: refused, then reconciled; nothing comes back",
    _play,
)
