"""Work that nobody waits for: done, and not once for each time that somebody asks."""

from collections.abc import Iterator
from threading import Event

import pytest

from issuer.web.soon import Soon


@pytest.fixture
def soon() -> Iterator[Soon]:
    opened = Soon()
    yield opened
    opened.close()


def test_work_asked_for_many_times_before_it_began_is_done_once(soon: Soon) -> None:
    """A notice that is sent again and again must not keep the thread busy for hours after."""
    begun, go_on, done = Event(), Event(), Event()
    times: list[int] = []

    def work() -> None:
        times.append(1)
        begun.set()
        go_on.wait(10)

    soon.submit(work)
    assert begun.wait(10)
    for _ in range(100):  # what came while it was at work may have come too late for it
        soon.submit(work)
    soon.submit(done.set)
    go_on.set()
    assert done.wait(10)
    assert len(times) == 2


def test_work_that_failed_is_done_when_asked_again(soon: Soon) -> None:
    """A failure keeps nothing from its turn."""
    done = Event()

    def fail() -> None:
        raise ValueError

    soon.submit(fail)
    soon.submit(done.set)
    assert done.wait(10)
    done.clear()
    soon.submit(done.set)
    assert done.wait(10)
