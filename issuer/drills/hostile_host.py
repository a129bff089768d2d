"""The host of the lists is hostile for a day: beside an honest one, then alone."""

import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from issuer.drills.host import Host, hosting
from issuer.drills.scene import Drill, Scene
from issuer.drills.thief import forged_issuer
from issuer.drills.world import GRANDMOTHER, HOUR_S, VISITOR, Venue, World, open_world
from verifier.cache import TRUST_LIST
from verifier.check import Reason

__all__ = ["HOSTILE_HOST"]

_HOURS: Final = 24
_ATTACKS: Final = ("rollback", "freeze", "mix", "endless", "equivocation", "forgery")
#: What such a host can hide, because nothing that it gives is wrong: it only is not new.
_SILENT: Final = "freeze"


@dataclass(slots=True)
class _Attacker:
    """Who owns the host: has every public folder of before, and what thieves and mistakes made.

    Attributes:
        before: What was public when this began.
        last: What was public an hour ago.
        forged: A trust list with one signature.
        other: A second list of the same version, with all its signatures.
    """

    world: World
    host: Host
    work: Path
    before: Path
    last: Path
    forged: bytes
    other: bytes

    def attack(self, hour: int) -> str:
        """Prepare the attack of this hour; its name."""
        name = _ATTACKS[hour % len(_ATTACKS)]
        folder = self.work / f"hour-{hour}"
        if name == "endless":
            self.host.folder = None
            return name
        shutil.copytree(self.before if name == "rollback" else self.last, folder)
        if name == "mix":
            for path in (self.world.public / "status").glob("*.snapshot"):
                shutil.copy(path, folder / "status")
            for path in (self.before / "status").glob("*.cwt"):
                shutil.copy(path, folder / "status")
        elif name in {"equivocation", "forgery"}:
            data = self.other if name == "equivocation" else self.forged
            (folder / TRUST_LIST).write_bytes(data)
        self.host.folder = folder
        return name


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world, hosting() as host:
        scene.chapter("A door has two hosts: one is hostile, one is honest")
        code = world.paper_code(world.enrol(GRANDMOTHER))
        visitor = world.enrol(VISITOR)
        taken_back = world.paper_code(visitor)
        world.publish()
        attacker = _attacker(scene, world, host)
        world.report_contact(visitor)
        world.publish()
        door = world.venue("door", host.url, str(world.public))
        door.update(str(world.public))
        shown = (code, taken_back)
        right = (Reason.ADMITTED, Reason.SUPERSEDED)
        scene.prove("one code gets in, one is taken back", _verdicts(door, shown), right)

        scene.chapter(f"{_HOURS} hours, another attack every hour, the honest host beside it")
        refused: Counter[str] = Counter()
        verdicts, ages = set(), set()
        for hour in range(_HOURS):
            attacker.last = _copy(world.public, attacker.work / f"public-{hour}")
            world.clock.wait(HOUR_S - 10)
            world.office.maintain()  # as upkeep does: what changed, and lists that are an hour old
            name = attacker.attack(hour)
            refused[name] += sum(
                problem.text.startswith(host.url) for problem in door.update().problems
            )
            verdicts.add(_verdicts(door, shown))
            ages.add(door.ages().trust_list // HOUR_S)
        scene.say("  refused: " + ", ".join(f"{name} {refused[name]}" for name in _ATTACKS))
        scene.prove(f"the door decided right in all {_HOURS} hours", verdicts, {right})
        scene.prove("its lists were never an hour old", ages, {0})
        scene.prove(
            "every attack but silence was noticed and named",
            {name for name in _ATTACKS if refused[name]},
            set(_ATTACKS) - {_SILENT},
        )
        scene.prove("it holds the trust list that the roots enacted", door.trust(), world.trust)
        _alone(scene, attacker, door, shown)


def _alone(scene: Scene, attacker: _Attacker, door: Venue, shown: tuple[str, str]) -> None:
    world, host = attacker.world, attacker.host
    right = (Reason.ADMITTED, Reason.SUPERSEDED)
    scene.chapter("Another day, and the hostile host is the only one")
    world.publish()
    door.update(str(world.public))
    attacker.last = _copy(world.public, attacker.work / "public-last")
    verdicts, ages = set(), []
    for hour in range(_HOURS):
        world.clock.wait(HOUR_S - 1)
        attacker.attack(_HOURS + hour)
        door.update(host.url)
        verdicts.add(_verdicts(door, shown))
        ages.append(door.ages().trust_list // HOUR_S)
    scene.prove("with lists of before, the door decides right for the day", verdicts, {right})
    scene.prove(
        "and shows how old they are, hour by hour", (ages, ages[-1]), (sorted(ages), _HOURS - 1)
    )
    world.clock.wait(2 * 60)
    door.update(host.url)
    scene.prove(
        f"after {_HOURS} h it decides nothing: check again",
        _verdicts(door, shown),
        (Reason.STALE_TRUST, Reason.STALE_TRUST),
    )

    scene.chapter("The honest host is back")
    world.publish()
    door.update()
    scene.prove("the door decides right again", _verdicts(door, shown), right)


def _attacker(scene: Scene, world: World, host: Host) -> _Attacker:
    """Somebody who kept what was public, stole one root, and found a second list 2."""
    work = scene.folder / "attacker"
    before = _copy(world.public, work / "before")
    world.clock.wait(HOUR_S)
    following = world.next_list()
    other = world.sign(replace(following, not_after=following.not_after + HOUR_S), 3, 4, 5)
    world.enact(following, 1, 2, 3)
    forged = forged_issuer(world, 5).signed
    return _Attacker(world, host, work, before, before, forged, other)


def _copy(folder: Path, copy: Path) -> Path:
    shutil.copytree(folder, copy)
    return copy


def _verdicts(door: Venue, codes: tuple[str, str]) -> tuple[str, str]:
    return door.reason(codes[0]), door.reason(codes[1])


HOSTILE_HOST = Drill(
    "hostile-host",
    "the lists' host is hostile for a day: doors decide right, show the age, stop at 24 h, recover",
    _play,
)
