"""A code key is stolen: it is withdrawn, and everybody who holds one of its codes gets another."""

import time
from collections import Counter
from typing import Final

from issuer.codes.mint import expiries
from issuer.codes.reissue import reissue
from issuer.drills.people import paper_codes, register_many
from issuer.drills.scene import Drill, Scene
from issuer.drills.world import HOUR_S, Venue, World, open_world
from issuer.errors import KeyInUseError
from issuer.recovery.reconcile import reconcile
from issuer.replay.replay import Replay
from issuer.stage import DAY_S
from keys.lifecycle import KeyState, Purpose
from keys.rotation import Supply, rotate
from verifier.check import Reason
from verifier.claims import Claims, Colour, Cti, Medium, parse_code, sign_code
from verifier.transport import encode_text

__all__ = ["STOLEN_KEY"]

_SUPPLY: Final = Supply(days=2, shards=1, spares=1)
_FORGED: Final = 3


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter(f"{scene.codes} people have a code; a spare key has been published for days")
        _rotate(world)
        world.enact(world.next_list(issuers=(world.site.listed(),)), 1, 2, 3)
        world.clock.wait(_SUPPLY.days * DAY_S)
        _rotate(world)
        world.reopen()
        subjects = register_many(world, scene.codes)
        stolen = world.office.writer.authority.code_keys[0].kid
        begun = time.perf_counter()
        old = paper_codes(world, subjects, "paper")
        plainly = time.perf_counter() - begun
        scene.say(f"{len(old)} codes minted plainly in {plainly:.2f} s.")
        world.publish()
        door, offline = world.venue("door"), world.venue("door that is offline")
        door.update()
        offline.update()
        scene.prove("a door admits all of them", _verdicts(door, old), {Reason.ADMITTED: len(old)})

        scene.chapter("A thief has the key, and mints")
        forged = _forged(world, stolen)
        scene.prove(
            "a door admits what the thief made: nothing tells it apart",
            _verdicts(door, forged),
            {Reason.ADMITTED: len(forged)},
        )
        scene.refused(
            "nothing is made anew while the key may still sign",
            KeyInUseError,
            lambda: reissue(world.office.writer, stolen, now=world.clock()),
        )

        scene.chapter("celadon keys compromise, keys rotate; a trust list withdraws the key")
        world.site.keystore.move(stolen, KeyState.COMPROMISED, world.clock())
        rotated = _rotate(world)
        scene.prove("the spare key begins to sign", rotated, [KeyState.ACTIVE])
        withdrawing = world.next_list(
            issuers=(world.site.listed(),), withdrawn=world.trust.withdrawn | {stolen}
        )
        world.enact(withdrawing, 1, 2, 3)
        door.update()
        scene.prove(
            "a door that updates refuses forged and genuine codes of the key",
            _verdicts(door, [*forged, *old]),
            {Reason.KEY_WITHDRAWN: len(forged) + len(old)},
        )

        _made_anew(scene, world, stolen, old, plainly, subjects, door)
        _agree(scene, world)
        _offline(scene, world, offline, forged)


def _made_anew(  # noqa: PLR0913, PLR0917 - what was there before
    scene: Scene,
    world: World,
    stolen: bytes,
    old: list[bytes],
    plainly: float,
    subjects: list[bytes],
    door: Venue,
) -> None:
    scene.chapter("celadon reissue: the same codes for everybody, under the spare key")
    begun = time.perf_counter()
    done = reissue(world.office.writer, stolen, now=world.clock())
    took = time.perf_counter() - begun
    world.publish()
    scene.say(
        f"{done.seen} batches opened, {done.taken_back} codes taken back, {done.made} made anew "
        f"for {done.people} people in {took:.2f} s, {took / plainly:.2f} x minting them plainly."
    )
    scene.prove(
        "as many were made as taken back", (done.taken_back, done.made), (len(old), len(old))
    )
    again = paper_codes(world, subjects, "paper")
    scene.prove(
        "whoever asks again gets the same promise under another key",
        [_promise(code) for code in again],
        [_promise(code) for code in old],
    )
    scene.prove("not one of them by the stolen key", stolen in map(_kid, again), expected=False)
    door.update()
    scene.prove("the door admits them all", _verdicts(door, again), {Reason.ADMITTED: len(again)})


def _rotate(world: World) -> list[KeyState]:
    """`celadon keys rotate`; the states that keys went to."""
    keystore, region = world.site.keystore, world.site.place.region
    done = rotate(keystore, world.trust, region=region, supply=_SUPPLY, now=world.clock())
    return [info.state for info in done.moved]


def _forged(world: World, stolen: bytes) -> list[bytes]:
    """Green codes by somebody who has the key and looked at the public lists."""
    clock = world.clock
    signer = world.site.keystore.signer(
        stolen, purpose=Purpose.CODE, region=world.site.place.region, clock=clock
    )
    exp = expiries(Medium.PAPER, 1, now=clock())[0]
    numbers = sorted(int(path.stem) for path in (world.public / "status").glob("*.cwt"))
    return [
        sign_code(Claims(exp, Cti(numbers[0], index), Colour.GREEN, None), signer)
        for index in range(_FORGED)
    ]


def _agree(scene: Scene, world: World) -> None:
    """Counts, log and database tell the same."""
    writer, log, now = world.office.writer, world.office.log, world.clock()
    differences = writer.run(lambda tx: reconcile(tx, log), now=now)
    scene.prove("signatures and log entries agree", differences, [])
    replay = Replay(writer.engine, log, writer.secrets, writer.authority, now=now)
    scene.prove("the replay finds nothing", [str(each) for each in replay.findings()], [])


def _offline(scene: Scene, world: World, offline: Venue, forged: list[bytes]) -> None:
    """What a door does that hears of nothing."""
    scene.chapter("The door that is offline")
    scene.prove(
        "admits what the thief made, for it cannot know",
        _verdicts(offline, forged),
        {Reason.ADMITTED: len(forged)},
    )
    world.clock.wait(DAY_S + HOUR_S)
    scene.prove(
        "and a day after its last update it decides nothing: check again",
        _verdicts(offline, forged),
        {Reason.STALE_TRUST: len(forged)},
    )


def _verdicts(door: Venue, codes: list[bytes]) -> Counter[str]:
    return Counter(door.reason(encode_text(code)) for code in codes)


def _promise(code: bytes) -> tuple[object, ...]:
    parsed = parse_code(code)
    return parsed.exp, parsed.holder_key, parsed.colour


def _kid(code: bytes) -> bytes:
    return parse_code(code).kid


STOLEN_KEY = Drill(
    "stolen-key",
    "a code key is stolen: withdrawn, refused at doors, everybody gets the same codes anew",
    _play,
)
