"""One of five roots is stolen: the thief's list counts nowhere, and the root is rotated out."""

from issuer.drills.scene import Drill, Scene
from issuer.drills.thief import forged_issuer, offer
from issuer.drills.world import GRANDMOTHER, HOUR_S, open_world
from issuer.stage import put_trust
from keys.errors import TrustListQuorumError, TrustListSignerError
from keys.trustupdate import accept_trust_list
from verifier.check import Reason

__all__ = ["ROOT_STOLEN"]

_STOLEN = 5
_NEW = 6


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("A thief has root 5 and puts an issuer of their own on a list")
        code = world.paper_code(world.enrol(GRANDMOTHER))
        world.publish()
        door = world.venue("door")
        door.update()
        thief = forged_issuer(world, _STOLEN)
        scene.prove(
            "the door refuses the list of one root", offer(world, thief.signed, door), "refused"
        )
        scene.prove(
            "a code of the thief's issuer is of an unknown key",
            door.reason(thief.code),
            Reason.UNKNOWN_KEY,
        )
        scene.prove("and the grandmother still gets in", door.reason(code), Reason.ADMITTED)
        put_trust(world.site.settings.trust, world.trust.roots, thief.signed)
        scene.refused("an issuer does not open with it", TrustListQuorumError, world.reopen)
        put_trust(world.site.settings.trust, world.trust.roots, world.signed)
        world.reopen()

        scene.chapter("The others rotate it out: root 6 comes, root 5 goes")
        world.clock.wait(HOUR_S)
        world.roots[_NEW] = world.new_root(_NEW)
        world.enact(world.next_list(roots=world.roots_of(1, 2, 3, 4, _NEW, epoch=2)), 1, 2, 3, _NEW)
        door.update()
        scene.prove("the door follows into epoch 2", door.trust().roots.epoch, 2)
        scene.prove("and admits as before", door.reason(code), Reason.ADMITTED)

        scene.chapter("The stolen root signs beside two honest ones: it counts no more")
        world.clock.wait(HOUR_S)
        following = world.next_list()
        with_thief = world.sign(following, 1, 2, _STOLEN)
        scene.refused(
            "two roots and the stolen one make no quorum",
            TrustListQuorumError,
            lambda: accept_trust_list(
                world.trust, with_thief, roots=world.trust.roots, now=world.clock()
            ),
        )
        beside = world.sign(following, 1, 2, 3, _STOLEN)
        scene.refused(
            "and beside a quorum it spoils the list",
            TrustListSignerError,
            lambda: accept_trust_list(
                world.trust, beside, roots=world.trust.roots, now=world.clock()
            ),
        )
        world.enact(following, 1, 2, _NEW)
        door.update()
        scene.prove("without it, the list counts", door.trust().version, following.version)


ROOT_STOLEN = Drill(
    "root-stolen",
    "one of five roots is stolen: its list is refused everywhere, it is rotated out for good",
    _play,
)
