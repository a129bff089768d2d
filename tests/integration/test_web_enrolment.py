"""Registering and binding over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from issuer.people.problems import Problem
from tests.web_support import GRANDSON, Site, serving


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


async def test_register_at_a_place_that_is_none_names_the_member(site: Site) -> None:
    """A form shows the refusal beside what it is about."""
    answer = await site.ask("POST", "/register", {**GRANDSON, "home": "999999"})
    assert (answer.status, answer.problem) == (422, Problem.UNKNOWN_PLACE)
    assert answer.json["field"] == "home"
