"""Registering and binding over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web_support import Site, serving


@pytest.fixture
async def site(engine_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, engine_url) as running:
        yield running


async def test_register_bind_and_read_colour(site: Site) -> None:
    """A person who registers and binds reads a green colour with reasons in both languages."""
    token = await site.bound()
    answer = await site.ask("GET", "/me/colour", token=token)
    assert answer.status == 200, answer
    colour = answer.json
    assert colour["colour"] == "green"
    assert colour["reasons"][0]["zh"]
    assert colour["what_to_do"]["en"]
