"""One of five roots is lost: three still sign, and a new holder takes its place."""

import shutil

from issuer.drills.scene import Drill, Scene
from issuer.drills.world import GRANDMOTHER, HOUR_S, open_world
from keys.errors import KeystoreMissingError, TrustListQuorumError
from keys.store import Keystore
from keys.trustupdate import accept_trust_list
from verifier.check import Reason

__all__ = ["ROOT_LOST"]

_LOST = 5
_NEW = 6


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("Five roots, three of which sign; one keystore burns")
        code = world.paper_code(world.enrol(GRANDMOTHER))
        world.publish()
        door, late = world.venue("door"), world.venue("door that is offline")
        door.update()
        late.update()
        lost = world.roots[_LOST].folder
        shutil.rmtree(lost)
        scene.refused(
            f"nothing of root {_LOST} is left",
            KeystoreMissingError,
            lambda: Keystore.open(lost, "whatever"),
        )

        scene.chapter("Ordinary business goes on with any three of the four that are left")
        world.clock.wait(HOUR_S)
        world.enact(world.next_list(), 2, 3, 4)
        door.update()
        scene.prove("the door takes list 2", door.trust().version, 2)
        scene.prove("and admits as before", door.reason(code), Reason.ADMITTED)

        scene.chapter("A new holder takes the place: epoch 1 becomes epoch 2 by both quorums")
        world.clock.wait(HOUR_S)
        world.roots[_NEW] = world.new_root(_NEW)
        before = world.trust
        rotated = world.next_list(roots=world.roots_of(1, 2, 3, 4, _NEW, epoch=2))
        two_old = world.sign(rotated, 1, 2, _NEW)
        scene.refused(
            "two of the old holders and the new one cannot do it",
            TrustListQuorumError,
            lambda: accept_trust_list(before, two_old, roots=before.roots, now=world.clock()),
        )
        world.enact(rotated, 1, 2, 3, _NEW)
        door.update()
        scene.prove("the door follows into epoch 2", door.trust().roots.epoch, 2)
        scene.prove("and admits as before", door.reason(code), Reason.ADMITTED)

        scene.chapter("The new root signs like the others; a door that missed it all comes back")
        world.clock.wait(HOUR_S)
        world.enact(world.next_list(), 1, 2, 4, _NEW)
        door.update()
        scene.prove("list 4 counts at the door", door.trust().version, 4)
        scene.prove("the late door still holds list 1", late.trust().version, 1)
        late.update()
        scene.prove(
            "list 4 is enough for it, because three of the old holders signed that too",
            (late.trust().version, late.trust().roots.epoch),
            (4, 2),
        )
        scene.prove("and it admits", late.reason(code), Reason.ADMITTED)


ROOT_LOST = Drill(
    "root-lost",
    "one of five roots is lost: three still sign, a new one takes its place, every door follows",
    _play,
)
