"""The one writer: a transaction, then the log, then the answer. Shell.

Whatever changes people's records goes through `Writer.run`, so nothing can be released of which
the log does not know. A failure between the two leaves events owed: the next run of any process
appends them first, and `recover` does so after a crash.
"""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine

from issuer.colour.policy import refreshed
from issuer.storage.core import Authority, Secrets
from issuer.storage.handover import EventLog, Handover
from issuer.storage.store import write_store
from issuer.storage.tx import Done, Tx

__all__ = ["Writer"]

T = TypeVar("T")


class Writer:
    """Runs transactions one after the other. Safe to share between threads.

    Args:
        engine: The issuer's database.
        log: The log.
        secrets: From the keystore.
        authority: What is in force; may be replaced at any time.
        randomness: Returns that many random bytes.
    """

    def __init__(
        self,
        engine: Engine,
        log: EventLog,
        secrets: Secrets,
        authority: Authority,
        *,
        randomness: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.engine = engine
        self.secrets = secrets
        self.authority = authority
        self._randomness = randomness
        self._lock = threading.Lock()
        self._handover = Handover(log, secrets)

    def recover(self, *, now: int) -> int:
        """Append what an earlier run still owed the log. Call it before anything else.

        Raises:
            LogBehindError: The log holds less than it once did.
            IntegrityError: The outbox was changed.
        """
        with self._lock:
            with write_store(self.engine) as store:
                owed = self._handover.owed(store)
            return self._handover.settle(owed, [], now=now)

    def run(self, work: Callable[[Tx], Done[T]], *, now: int) -> T:
        """Run *work* in a transaction of its own; its value, once everything is durable.

        Raises:
            IssuerError: From *work*: nothing happened.
            AuditError: The log does not take the events. What *work* wrote stands, and its events
                are appended before the next answer.
        """
        with self._lock:
            with write_store(self.engine) as store:
                owed = self._handover.owed(store)
                self.authority = refreshed(store, self.authority)
                tx = Tx(store, self.secrets, self.authority, now, self._randomness)
                done = work(tx)
                own = self._handover.stage(store, list(done.events))
            self.authority = done.authority or self.authority
            self._handover.settle(owed, own, now=now)
            self._handover.require_known(list(done.repeated))
            return done.value
