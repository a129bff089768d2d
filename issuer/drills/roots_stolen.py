"""Two of five roots are stolen, one fewer than sign: every pair of them is powerless."""

from dataclasses import replace
from itertools import combinations

from issuer.drills.scene import Drill, Scene
from issuer.drills.thief import forged_issuer, offer
from issuer.drills.world import GRANDMOTHER, HOUR_S, ROOTS, THRESHOLD, VISITOR, open_world
from keys.errors import TrustListStepError
from keys.trustupdate import MAX_STEP, accept_trust_list
from verifier.check import Reason

__all__ = ["ROOTS_STOLEN"]

_STOLEN = (4, 5)
_NEW = (6, 7)


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("Thieves have two of five roots; three must sign")
        code = world.paper_code(world.enrol(GRANDMOTHER))
        visitor = world.enrol(VISITOR)
        taken_back = world.paper_code(visitor)
        world.report_contact(visitor)
        world.publish()
        door = world.venue("door")
        door.update()
        pairs = list(combinations(range(1, ROOTS + 1), THRESHOLD - 1))
        answers = [offer(world, forged_issuer(world, *pair).signed, door) for pair in pairs]
        scene.prove(
            f"the lists of all {len(pairs)} pairs of roots are refused",
            answers,
            ["refused"] * len(pairs),
        )
        scene.prove("the door admits as before", door.reason(code), Reason.ADMITTED)

        scene.chapter("They trick a third holder into signing without reading: fast forward")
        world.clock.wait(HOUR_S)
        held = world.trust
        far = replace(world.next_list(), version=held.version + MAX_STEP + 1)
        signed = world.sign(far, 3, *_STOLEN)
        scene.refused(
            "a version out of reach is refused, whoever signed",
            TrustListStepError,
            lambda: accept_trust_list(held, signed, roots=held.roots, now=world.clock()),
        )
        burnt = replace(far, version=held.version + MAX_STEP)
        stolen = world.enact(burnt, 3, *_STOLEN)
        door.update()
        scene.prove(
            f"the last version within reach burns {MAX_STEP:,} numbers",
            door.trust().version,
            burnt.version,
        )

        scene.chapter("Recovery: three honest holders, and two new ones, begin epoch 2")
        world.clock.wait(HOUR_S)
        world.roots |= {number: world.new_root(number) for number in _NEW}
        fresh = world.next_list(version=3, roots=world.roots_of(1, 2, 3, *_NEW, epoch=2))
        world.enact(fresh, 1, 2, 3)
        door.update()
        scene.prove(
            "the door follows, and numbers begin again at 3",
            (door.trust().version, door.trust().roots.epoch),
            (3, 2),
        )
        scene.prove("the burnt list cannot come back", offer(world, stolen, door), "refused")
        scene.prove("the door admits as before", door.reason(code), Reason.ADMITTED)
        scene.prove("and what was taken back stays so", door.reason(taken_back), Reason.SUPERSEDED)


ROOTS_STOLEN = Drill(
    "roots-stolen",
    "one root fewer than a quorum is stolen: refused, also far ahead; new roots take over",
    _play,
)
