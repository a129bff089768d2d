"""Registering and binding, each one transaction, its log event and its message. Shell.

What a known and what an unknown person get is the same: the same slow index work, one transaction,
one message, one answer. `issuer.web` adds that it comes after the same time.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from audit.events import Event
from audit.events import Kind as EventKind
from issuer.between.waiting import claim
from issuer.codes.batches import take_back
from issuer.colour.declare import Declared
from issuer.colour.evidence import Kind
from issuer.errors import InputError
from issuer.people.binding import (
    CODE_LIFE_S,
    Binding,
    Bound,
    Sessions,
    ask,
    confirm,
    list_bindings,
    revoke,
    unask,
)
from issuer.people.erasures import Erasures
from issuer.people.identity import Identity
from issuer.people.outbox import CodeDelivery, code_message, registered_message
from issuer.people.own import declare
from issuer.people.people import People, Registered
from issuer.people.problems import Problem
from issuer.storage.store import read_store
from issuer.storage.tx import Done, Tx, filler
from issuer.storage.writer import Writer
from verifier.statuslist import Status

__all__ = ["Enrolment"]

_MINUTE_S: Final = 60
#: Registered, a residence recorded, a colour decided.
_ENTRIES_OF_A_NEW_ONE: Final = 3


class Enrolment:
    """Blocks: call it in a thread.

    Args:
        writer: Of the issuer's database.
        people: Over the same database.
        sessions: Told when a binding ends.
        delivery: To phones.
        pepper: 32 bytes; keys the hashes of one-time codes.
        life_s: Of a binding.
        clock: The present second. The log takes nothing older than its last entry, so this is
            read when the writing begins, after the slow work.
        erasures: Remembers who was erased, apart from the databases.
    """

    def __init__(  # noqa: PLR0913 - it joins these
        self,
        writer: Writer,
        people: People,
        sessions: Sessions,
        delivery: CodeDelivery,
        *,
        pepper: bytes,
        life_s: int,
        clock: Callable[[], int],
        erasures: Erasures,
    ) -> None:
        self._writer = writer
        self._people = people
        self._sessions = sessions
        self._delivery = delivery
        self._pepper = pepper
        self._life_s = life_s
        self._clock = clock
        self._erasures = erasures

    def register(self, identity: Identity, home: str) -> Registered:
        """Make a person who lives at the place *home*, or leave the one who is there as they are.

        The phone is told either way: its owner learns of it when somebody else registers it.
        """
        digests = self._people.digests(identity)
        now = self._clock()
        work = partial(self._register, identity, home, digests)
        registered = self._writer.run(work, now=now)
        if identity.phone is not None:
            self._delivery.deliver(registered_message(identity.phone, at=now))
        return registered

    def _register(
        self, identity: Identity, home: str, digests: Sequence[bytes], tx: Tx
    ) -> Done[Registered]:
        registered = self._people.register(tx.store, identity, digests, now=tx.now)
        if not registered.is_new:
            return Done(registered, _nothing_new(tx, registered.subject))
        lives = Declared(Kind.RESIDENCE, "lives", tx.now, place=home)
        recorded = declare(tx, registered.subject, [lives])
        # What another region said before we knew this person.
        told = claim(tx, registered.subject, identity.name, digests)
        made = _event(tx, EventKind.PERSON_REGISTERED, registered.subject)
        return Done(registered, [made, *recorded.events, *told.events])

    def ask(self, name: str, phone: str) -> str:
        """Send a one-time code to *phone*; the request that it will confirm."""
        digest = self._people.digest_of_name_and_phone(name, phone)
        now = self._clock()

        def work(tx: Tx) -> Done[tuple[str, str | None]]:
            asked = ask(
                tx.store,
                digest,
                pepper=self._pepper,
                rows=tx.secrets.rows,
                now=tx.now,
                randomness=tx.randomness,
            )
            return Done((asked.request, asked.code))

        request, code = self._writer.run(work, now=now)
        if code is not None:
            minutes = CODE_LIFE_S // _MINUTE_S
            try:
                self._delivery.deliver(code_message(phone, code, at=now, minutes=minutes))
            except Exception:
                # Whoever tries again, as they are told, would use up the hour's codes unseen.
                self._writer.run(partial(_unask, request), now=self._clock())
                raise
        return request

    def confirm(self, request: str, code: str) -> Bound:
        """A new binding.

        Raises:
            InputError: The code is not the one that this request waits for, or too late, or one
                try too many, or nobody is registered so. It never says which.
        """
        bound = self._writer.run(partial(self._confirm, request, code), now=self._clock())
        if bound is None:
            raise InputError(Problem.CODE_REFUSED)
        return bound

    def _confirm(self, request: str, code: str, tx: Tx) -> Done[Bound | None]:
        bound = confirm(
            tx.store,
            request,
            code,
            pepper=self._pepper,
            rows=tx.secrets.rows,
            now=tx.now,
            life_s=self._life_s,
            randomness=tx.randomness,
        )
        return Done(
            bound, [_event(tx, EventKind.BOUND, bound.subject)] if bound is not None else []
        )

    def bindings(self, subject: bytes) -> tuple[Binding, ...]:
        """The person's bindings that are good now."""
        with read_store(self._writer.engine) as store:
            return list_bindings(store, subject, now=self._clock())

    def unbind(self, subject: bytes, binding_id: bytes) -> None:
        """End one of the person's bindings.

        Raises:
            InputError: The person has no such binding that is good; whoever else has it.
        """

        def work(tx: Tx) -> Done[bool]:
            ended = revoke(tx.store, subject, binding_id, rows=tx.secrets.rows, now=tx.now)
            return Done(ended, [_event(tx, EventKind.UNBOUND, subject)] if ended else [])

        if not self._writer.run(work, now=self._clock()):
            raise InputError(Problem.NOT_FOUND)
        self._sessions.forget(subject)

    def erase(self, subject: bytes) -> None:
        """Withdraw the person's codes, destroy their key and whatever leads to them."""

        def work(tx: Tx) -> Done[None]:
            # Now or never: without the key nobody knows which codes these are.
            taken = take_back(tx, [subject], Status.WITHDRAWN)
            self._people.erase(tx.store, subject)
            erased = _event(tx, EventKind.PERSON_ERASED, subject)
            # Before the commit: a copy of the databases must never know less than this note.
            self._erasures.note(subject)
            return Done(None, [*taken, erased])

        self._writer.run(work, now=self._clock())
        self._sessions.forget(subject)


def _unask(request: str, tx: Tx) -> Done[None]:
    unask(tx.store, request)
    return Done(None)


def _nothing_new(tx: Tx, subject: bytes) -> list[Event]:
    """As many entries as a new person's, or the size of the public log would tell who is known."""
    repeated = _event(tx, EventKind.REGISTRATION_REPEATED, subject)
    return [repeated, *filler(tx, _ENTRIES_OF_A_NEW_ONE - 1)]


def _event(tx: Tx, kind: EventKind, subject: bytes) -> Event:
    return Event(tx.event_id(), kind, tx.now, subject, {})
