"""Fixtures that every test folder shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_support import PACKAGE_MISSING, Server, postgres_server
from tests.token_support import PACKAGE_MISSING as NO_SOFT_HSM
from tests.token_support import Hsm, soft_hsm


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test process, started when the first test asks for it."""
    try:
        server = postgres_server()
        running = server.__enter__()
    except FileNotFoundError:
        pytest.fail(PACKAGE_MISSING, pytrace=False)
    yield running
    server.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on each kind of server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/database.db"
    server: Server = request.getfixturevalue("postgres")
    return server.url(schema=server.new_schema())


@pytest.fixture(scope="session")
def hsm() -> Iterator[Hsm]:
    """The SoftHSM of this test process."""
    try:
        made = soft_hsm()
        folder = made.__enter__()
    except FileNotFoundError:
        pytest.fail(NO_SOFT_HSM, pytrace=False)
    yield folder
    made.__exit__(None, None, None)
