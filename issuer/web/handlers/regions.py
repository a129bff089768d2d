"""The risk level of any place at any instant. Public; asks for nobody's name."""

import hashlib
from typing import Annotated, Final, Literal

from aiohttp import web
from multidict import CIMultiDict
from pydantic import StringConstraints

from issuer.colour.regions import load_regions
from issuer.colour.risk import RiskLevel
from issuer.people.problems import Problem
from issuer.web.appkeys import ISSUING
from issuer.web.places import place_in
from issuer.web.problems import SECURITY_HEADERS
from issuer.web.routes import AnyRoute, Call, In, Nothing, Out, Route, encode
from issuer.web.times import format_instant, parse_instant

__all__ = ["ROUTES"]


class At(In):
    """*at*: a date, or a time with its offset; now, where it is left out."""

    at: Annotated[str, StringConstraints(max_length=40)] | None = None


class RiskShown(Out):
    """*changes_at*: the next instant at which the level may change, as far as it is announced."""

    place: str
    zh: str | None
    en: str | None
    level: Literal["low", "medium", "high"]
    level_zh: str
    changes_at: str | None
    table_version: int


_LEVELS: Final[dict[RiskLevel, Literal["low", "medium", "high"]]] = {
    RiskLevel.LOW: "low",
    RiskLevel.MEDIUM: "medium",
    RiskLevel.HIGH: "high",
}
_LEVELS_ZH: Final = {
    RiskLevel.LOW: "低风险",
    RiskLevel.MEDIUM: "中风险",
    RiskLevel.HIGH: "高风险",
}


async def region_risk(call: Call[Nothing, At]) -> web.Response:
    place = place_in(call.request.match_info["place"], "place")
    at = call.now if call.query.at is None else parse_instant(call.query.at, "at")
    risks = call.request.app[ISSUING].writer.authority.risks
    regions, level = load_regions(), risks.level(place, at)
    named = regions.place(place) if regions.is_place(place) else None
    changes_at = next((instant for instant in risks.timeline(place)[0] if instant > at), None)
    shown = RiskShown(
        place=place,
        zh=regions.full_name(place) if named is not None else None,
        en=None if named is None else named.en,
        level=_LEVELS[level],
        level_zh=_LEVELS_ZH[level],
        changes_at=None if changes_at is None else format_instant(changes_at),
        table_version=risks.version,
    )
    return _cached(call.request, encode(shown))


def _cached(request: web.Request, body: bytes) -> web.Response:
    """The answer, or that the copy which the caller holds is still right."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = CIMultiDict(SECURITY_HEADERS)
    headers.update(_PUBLIC)
    headers["ETag"] = etag
    if request.headers.get("If-None-Match") == etag:
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = "application/json"
    return web.Response(body=body, headers=headers)


_PUBLIC: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=60, must-revalidate",
}

ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        "GET",
        "/regions/{place}/risk",
        region_risk,
        "The risk level of a place, now or at a time.",
        Nothing,
        At,
        RiskShown,
        variables=(("place", "[0-9a-z-]{6,64}"),),
        problems=(Problem.UNKNOWN_PLACE, Problem.TIME_FORM),
        etag=True,
    ),
)
