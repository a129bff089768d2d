"""The key that signs status lists is lost: the next one is on the trust list already."""

import shutil

from issuer.drills.scene import Drill, Scene
from issuer.drills.world import GRANDMOTHER, HOUR_S, VISITOR, Venue, open_world
from keys.errors import KeystoreMissingError
from keys.lifecycle import KeyState, Purpose
from verifier.check import Reason

__all__ = ["STATUS_KEY_LOST"]


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("The next status key is made and put on the trust list, long before its day")
        code = world.paper_code(world.enrol(GRANDMOTHER))
        visitor = world.enrol(VISITOR)
        taken_back = world.paper_code(visitor)
        world.publish()
        stale = scene.folder / "stale"
        shutil.copytree(world.public, stale)
        following = world.new_key(Purpose.STATUS)
        world.enact(world.next_list(issuers=(world.site.listed(),)), 1, 2, 3)
        world.report_contact(visitor)
        world.publish()
        door = world.venue("door")
        door.update()
        right = [Reason.ADMITTED, Reason.SUPERSEDED]
        scene.prove("one code gets in, one is taken back", _both(door, code, taken_back), right)

        scene.chapter("The file of the key in use is gone")
        world.clock.wait(HOUR_S)
        lost = world.active_key(Purpose.STATUS)
        (world.site.settings.keystore / f"{lost.kid.hex()}.key").unlink()
        scene.refused("nothing can be published", KeystoreMissingError, world.publish)
        fresh = world.paper_code(world.enrol(GRANDMOTHER), key="while it is lost")
        scene.prove("doors go on with what they hold", _both(door, code, taken_back), right)
        scene.prove("codes are issued as before, and get in", door.reason(fresh), Reason.ADMITTED)

        scene.chapter("celadon keys activate; the issuer opens with the next key")
        world.site.keystore.move(following.kid, KeyState.ACTIVE, world.clock())
        world.reopen()
        world.publish()
        scene.prove("the door takes lists by the next key", door.update().problems, ())
        scene.prove("and decides as before", _both(door, code, taken_back), right)
        door.update(str(stale))
        scene.prove(
            "lists by the lost key, from before, bring nothing back",
            _both(door, code, taken_back),
            right,
        )

        scene.chapter("The lost key leaves the trust list")
        world.clock.wait(HOUR_S)
        world.enact(world.next_list(issuers=(world.site.listed(),)), 1, 2, 3)
        scene.prove("it is not listed any more", world.trust.find(lost.kid), None)
        door.update()
        scene.prove("the door decides as before", _both(door, code, taken_back), right)
        newcomer = world.venue("new door")
        newcomer.update()
        scene.prove("and so does a new one", _both(newcomer, code, taken_back), right)
        scene.prove(
            "no door was ever without lists of the last hour", door.ages().trust_list < HOUR_S
        )


def _both(door: Venue, code: str, taken_back: str) -> list[str]:
    return [door.reason(code), door.reason(taken_back)]


STATUS_KEY_LOST = Drill(
    "status-key-lost",
    "the status key is lost: the next is listed already, no gap, nothing withdrawn comes back",
    _play,
)
