"""The issuing service: group commit above the driver. Shell. ADR 0001 says why.

One thread takes all requests that wait, makes one transaction and one log batch of them, and
answers each. Under load the two disk flushes are shared by everybody who waits; without load
nobody waits for company. The queue is bounded: beyond it a caller hears "busy" at once.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias, TypeVar

from issuer.codes.issue import CodeRequest, Issued, Refused, Result, Withheld, issue
from issuer.errors import BusyError, IntegrityError, SealError
from issuer.storage.tx import Done, Tx
from issuer.storage.writer import Writer
from keys.errors import KeyLifecycleError

__all__ = ["Issuing", "Job"]

T = TypeVar("T")

#: Requests of one transaction, and requests that may wait.
MAX_SET: Final = 256
MAX_WAITING: Final = 2048

Outcome: TypeAlias = Issued | Withheld


@dataclass(slots=True)
class Job:
    """A caller that waits on its loop, for codes or for a transaction of its own."""

    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    request: CodeRequest | None
    work: Callable[[Tx], Done[Any]] | None
    answer: Any = field(default=None)
    error: BaseException | None = field(default=None)


class Issuing:
    """Owns the writer's thread. Use as a context manager: leaving it answers all who still wait.

    Args:
        writer: Does the writing.
        clock: The present second.
    """

    def __init__(self, writer: Writer, *, clock: Callable[[], int]) -> None:
        self.writer = writer
        self._clock = clock
        self._waiting: deque[Job] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="issuing")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more, answer those who wait, end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    async def issue(self, request: CodeRequest) -> Outcome:
        """Codes, or the pending decision that withholds them.

        Raises:
            BusyError: Too many wait, or the service is stopping. Nothing was done.
            IdempotencyConflictError: The key was used for another request.
            NoPersonError: Unknown or erased.
            TooManyCodesError: The person holds as many as anybody may.
            IssuerError, AuditError: Nothing is released. Ask again with the same key.
        """
        result: Result = await self._submit(request, None)
        if isinstance(result, Refused):
            raise result.error
        return result

    async def run(self, work: Callable[[Tx], Done[T]]) -> T:
        """A transaction of another kind, in its turn: evidence, a change of risk, taking back.

        Raises:
            BusyError: As above; and whatever *work* raises.
        """
        value: T = await self._submit(None, work)
        return value

    async def _submit(
        self, request: CodeRequest | None, work: Callable[[Tx], Done[Any]] | None
    ) -> Any:  # noqa: ANN401 # whatever the work gives
        loop = asyncio.get_running_loop()
        job = Job(loop, loop.create_future(), request, work)
        with self._wake:
            if self._stopping or len(self._waiting) >= MAX_WAITING:
                raise BusyError("too many requests wait")
            self._waiting.append(job)
            self._wake.notify()
        return await job.future

    def _serve(self) -> None:
        while jobs := self._next():
            if jobs[0].request is None:
                self._run_alone(jobs[0])
            else:
                self._run_set(jobs)
            _deliver(jobs)

    def _next(self) -> list[Job]:
        """All code requests at the head of the queue, or one other job; nothing: stop."""
        with self._wake:
            while not self._waiting:
                if self._stopping:
                    return []
                self._wake.wait()
            jobs = [self._waiting.popleft()]
            while (
                jobs[0].request is not None
                and self._waiting
                and self._waiting[0].request is not None
                and len(jobs) < MAX_SET
            ):
                jobs.append(self._waiting.popleft())
            return jobs

    def _run_set(self, jobs: list[Job]) -> None:
        requests = [job.request for job in jobs if job.request is not None]
        try:
            results = self._issue(requests)
        except (SealError, IntegrityError) as error:
            # One damaged row must not keep everybody else from their codes.
            for job in jobs:
                if len(jobs) == 1:
                    job.error = error
                else:
                    self._run_set([job])
        except Exception as error:  # noqa: BLE001 # every caller must hear of it
            for job in jobs:
                job.error = error
        else:
            for job, result in zip(jobs, results, strict=True):
                job.answer = result

    def _issue(self, requests: list[CodeRequest]) -> list[Result]:
        """The set; once more where a key was stopped, or its day ended, while it signed.

        The keys that are left are chosen anew. Only once: a clock that jumps must not keep us here.
        """
        try:
            return self.writer.run(lambda tx: issue(tx, requests), now=self._clock())
        except KeyLifecycleError:
            return self.writer.run(lambda tx: issue(tx, requests), now=self._clock())

    def _run_alone(self, job: Job) -> None:
        if job.work is None:
            raise AssertionError("a job has a request or work")
        try:
            job.answer = self.writer.run(job.work, now=self._clock())
        except Exception as error:  # noqa: BLE001 # the caller must hear of it
            job.error = error


def _deliver(jobs: list[Job]) -> None:
    """Wake each loop once, however many of its callers are answered."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, theirs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_answer, theirs)


def _answer(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():  # the caller went away; the codes wait under the idempotency key
            continue
        if job.error is None:
            job.future.set_result(job.answer)
        else:
            job.future.set_exception(job.error)
