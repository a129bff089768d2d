"""Many people at once, registered and at home in Xi'an, and a code for each of them. Shell."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from issuer.codes.issue import CodeRequest, Issued, issue
from issuer.colour.declare import Declared
from issuer.colour.evidence import Kind
from issuer.drills.world import World
from issuer.people.identity import Identity
from issuer.people.own import declare
from issuer.people.people import People
from issuer.storage.tx import Done, Tx

__all__ = ["paper_codes", "register_many"]

_T = TypeVar("_T")

#: People of one transaction.
_SET: Final = 2_000
_HOME: Final = "610103"
#: Born in no year that anybody is born in.
_NUMBER: Final = "6101039999{:08d}"


def register_many(world: World, count: int) -> list[bytes]:
    """So many people, green; in sets, because a desk that takes one after the other takes hours."""
    subjects: list[bytes] = []
    for numbers in _sets(range(count)):
        work = partial(_register, people=world.office.people, numbers=numbers)
        made: list[bytes] = world.office.writer.run(work, now=world.clock())
        subjects += made
    return subjects


def _register(tx: Tx, people: People, numbers: Sequence[int]) -> Done[list[bytes]]:
    subjects: list[bytes] = []
    recorded: list[Done[int]] = []
    for number in numbers:
        identity = Identity(f"无名氏{number}", None, _NUMBER.format(number))
        made = people.register(tx.store, identity, people.digests(identity), now=tx.now)
        lives = Declared(Kind.RESIDENCE, "lives", tx.now, place=_HOME)
        recorded.append(declare(tx, made.subject, [lives]))
        subjects.append(made.subject)
    return Done(subjects, [event for done in recorded for event in done.events])


def paper_codes(world: World, subjects: Sequence[bytes], key: str) -> list[bytes]:
    """A paper code for each of these people; a request that comes again gives the codes it gave."""
    codes: list[bytes] = []
    for some in _sets(subjects):
        work = partial(issue, requests=[CodeRequest(subject, key) for subject in some])
        made = world.office.writer.run(work, now=world.clock())
        codes += [code for one in made if isinstance(one, Issued) for code in one.codes]
    return codes


def _sets(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _SET):
        yield items[start : start + _SET]
