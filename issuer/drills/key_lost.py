"""The code key in use is destroyed while requests run: the next shard signs, nobody notices."""

import asyncio
from collections import Counter
from typing import Final

from issuer.codes.issue import CodeRequest, Issued
from issuer.codes.issuing import Issuing
from issuer.drills.people import register_many
from issuer.drills.scene import Drill, Scene
from issuer.drills.world import World, open_world
from issuer.recovery.reconcile import reconcile
from keys.lifecycle import KeyState, Purpose
from verifier.check import Reason
from verifier.claims import parse_code
from verifier.transport import encode_text

__all__ = ["KEY_LOST"]

_CLIENTS: Final = 8


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter("Two code keys of the day, both published; the issuer fills one of them")
        world.new_key(Purpose.CODE, KeyState.ACTIVE)
        world.enact(world.next_list(issuers=(world.site.listed(),)), 1, 2, 3)
        subjects = register_many(world, scene.codes)
        first = world.office.writer.authority.code_keys[0].kid

        scene.chapter(f"{_CLIENTS} clients ask for {len(subjects)} codes; half-way the key is gone")
        with scene.timed("all were answered in"):
            codes = asyncio.run(_load(world, subjects, first))
        kids = Counter(parse_code(code).kid for code in codes)
        by_next = kids.total() - kids[first]
        scene.say(f"{kids[first]} codes by the first key, {by_next} by the next.")
        scene.prove("every request was answered with a code", len(codes), len(subjects))
        scene.prove("some by the key that was destroyed", kids[first] > 0)
        scene.prove("and the rest by one other", len(kids), 2)
        scene.prove(
            "nothing is left of the first",
            world.site.keystore.info(first).state,
            KeyState.DESTROYED,
        )

        scene.chapter("What was signed stays good: lost is not stolen")
        world.publish()
        door = world.venue("door")
        door.update()
        verdicts = Counter(door.reason(encode_text(code)) for code in codes)
        scene.prove("the door admits every one of them", verdicts, {Reason.ADMITTED: len(codes)})
        writer, log = world.office.writer, world.office.log
        differences = writer.run(lambda tx: reconcile(tx, log), now=world.clock())
        scene.prove("signatures and log entries agree for both keys", differences, [])
        world.reopen()
        scene.prove(
            "the issuer opens again with the key that is left",
            first in {key.kid for key in world.office.writer.authority.code_keys},
            expected=False,
        )


async def _load(world: World, subjects: list[bytes], first: bytes) -> list[bytes]:
    """Clients that wait for their code before they ask for the next; the codes."""
    waiting = list(subjects)
    codes: list[bytes] = []

    async def client(issuing: Issuing) -> None:
        while waiting:
            subject = waiting.pop()
            result = await issuing.issue(CodeRequest(subject, "drill"))
            if isinstance(result, Issued):
                codes.extend(result.codes)
            if len(codes) >= len(subjects) // 2:
                await asyncio.to_thread(_destroy, world, first)

    with Issuing(world.office.writer, clock=world.clock) as issuing:
        await asyncio.gather(*(client(issuing) for _ in range(_CLIENTS)))
    return codes


def _destroy(world: World, kid: bytes) -> None:
    """Destroy the key, once."""
    keystore = world.site.keystore
    with keystore.alone():
        if keystore.info(kid).state is not KeyState.DESTROYED:
            keystore.move(kid, KeyState.DESTROYED, world.clock())


KEY_LOST = Drill(
    "key-lost",
    "the code key in use is destroyed under load: the next one signs, no request fails",
    _play,
)
