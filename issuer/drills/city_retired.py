"""Yan'an's code ends in favour of the provincial one: before, on the day, in and after grace."""

from dataclasses import replace
from typing import Final

from issuer.demo.doing import enrol
from issuer.drills.scene import Drill, Scene
from issuer.drills.world import GRANDMOTHER, HOUR_S, World, open_world, paper_code
from issuer.errors import IssuerEndedError
from issuer.stage import DAY_S, LISTS_EACH, Place, Province, Site
from keys.lifecycle import Purpose
from keys.trustlist import ListedIssuer
from keys.trustmodel import Ending
from verifier.check import Kind, Reason

__all__ = ["CITY_RETIRED"]

_CITY: Final = Place("610600", "延安", "Yan'an", LISTS_EACH)
_NOTICE_DAYS: Final = 3
_GRACE_DAYS: Final = 7


def _play(scene: Scene) -> None:
    with open_world(scene.folder) as world:
        scene.chapter(f"Yan'an issues its own code; its end in {_NOTICE_DAYS} days is announced")
        city = world.found_city(_CITY)
        ends_at = world.clock() + _NOTICE_DAYS * DAY_S
        ending = Ending(world.site.place.region, ends_at, ends_at + _GRACE_DAYS * DAY_S)
        world.enact(world.next_list(issuers=(world.site.listed(), _until(ending, city))), 1, 2, 3)
        yanan = world.open_city(city)
        resident = enrol(yanan, GRANDMOTHER)
        door = world.venue("door in Xi'an")
        early = paper_code(yanan, resident, "early")
        _publish(world, yanan)
        door.update()
        scene.prove("a door in Xi'an admits the city's code", door.reason(early), Reason.ADMITTED)

        scene.chapter("An hour before the end")
        _wait_until(ends_at - HOUR_S, world, yanan)
        late = paper_code(yanan, resident, "late")
        _publish(world, yanan)
        door.update()
        scene.prove("the city still issues, and doors admit", door.reason(late), Reason.ADMITTED)

        scene.chapter("The day has come")
        _wait_until(ends_at, world, yanan)
        scene.refused(
            "the city issues no code any more",
            IssuerEndedError,
            lambda: paper_code(yanan, resident, "too late"),
        )
        _publish(world, yanan)
        door.update()
        scene.prove("codes that it gave out still count", door.reason(late), Reason.ADMITTED)
        provincial = world.paper_code(world.enrol(GRANDMOTHER))
        world.publish()
        door.update()
        scene.prove("the province gives her its code", door.reason(provincial), Reason.ADMITTED)

        scene.chapter("The last hours of grace, and the first after it")
        _wait_until(ending.grace_until - 3 * HOUR_S, world, yanan)
        newest = world.paper_code(world.enrol(GRANDMOTHER), key="newest")
        _publish(world, yanan)
        door.update()
        scene.prove("the city's last code counts to its end", door.reason(late), Reason.ADMITTED)
        world.clock.now = ending.grace_until
        verdict = door.verdict(late)
        scene.prove("after grace, it counts no more", verdict.reason, Reason.ISSUER_ENDED)
        scene.prove("that is no refusal: check again", verdict.kind, Kind.CHECK_AGAIN)
        scene.prove("the door says whose code to get", verdict.successor, world.site.place.region)
        advice = verdict.hint
        scene.say(f"  {advice.zh} {advice.en}" if advice else "")
        scene.prove("in words", advice is not None and "Shaanxi" in advice.en)
        scene.prove("the provincial code gets in", door.reason(newest), Reason.ADMITTED)


def _until(ending: Ending, city: Site) -> ListedIssuer:
    """The city's entry; no code key of it outlives the grace."""
    listed = city.listed()
    keys = tuple(
        replace(key, not_after=min(key.not_after, ending.grace_until))
        if key.purpose is Purpose.CODE
        else key
        for key in listed.keys
    )
    return replace(listed, keys=keys, ending=ending)


def _wait_until(now: int, world: World, city: Province) -> None:
    """The time goes on, and both services do their upkeep."""
    world.clock.now = now
    for office in (world.office, city.office):
        office.renew_keys()


def _publish(world: World, city: Province) -> None:
    """Both issuers into the one public folder."""
    world.publish()
    city.publish()


CITY_RETIRED = Drill(
    "city-retired",
    "Yan'an's code ends on its day: grace, then whose code to get; the province takes over",
    _play,
)
