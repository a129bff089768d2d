"""The verifier works offline: its tests run where opening a socket is an error."""

import socket
from typing import NoReturn

import pytest


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests of web sources, against servers of their own, may open a socket."""
    if request.path.name != "test_sources_url.py":
        monkeypatch.setattr(socket, "socket", _refuse)


def _refuse(*_: object, **__: object) -> NoReturn:
    pytest.fail("the verifier opened a socket")
