"""Holds every answer of a test's server against the description that clients are given."""

import functools
import json
import re
from typing import Any, Final

from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # has no stubs

from issuer.web.factory import ROUTES
from issuer.web.openapi import describe
from issuer.web.problems import MEDIA_TYPE

__all__ = ["described", "require_described"]

_ANY: Final = "*/*"


@functools.cache
def described() -> dict[str, Any]:
    return describe(ROUTES, version="0.1.0")


def require_described(method: str, path: str, status: int, media: str, body: bytes) -> None:
    """The answer has a described status, problem and shape.

    What a description cannot have passes: other paths, and other methods of a path.
    """
    operation = _operation("GET" if method == "HEAD" else method, path.partition("?")[0])
    if operation is None:
        assert status >= 400, (method, path, status)
        return
    response = operation["responses"].get(str(status))
    assert response is not None, f"{method} {path}: {status} is not described: {body!r}"
    content = response.get("content", {})
    if method == "HEAD" or _ANY in content:
        return
    if not content:
        assert body == b"", (method, path, status)
        return
    media = media.partition(";")[0]
    assert media in content, (method, path, media)
    answer = json.loads(body)
    schema = {**content[media].get("schema", {}), "components": described()["components"]}
    Draft202012Validator(schema).validate(answer)
    if media == MEDIA_TYPE:
        problem = answer["type"].rpartition("#")[2]
        assert problem in response["description"].split(", "), (method, path, problem)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for route in ROUTES:
        form = re.sub(r"\{\w+:([^/]*)\}", r"(?:\1)", route.pattern().removeprefix("/api/v1"))
        if route.method == method and re.fullmatch(form, path):
            operation: dict[str, Any] = described()["paths"][f"/api/v1{route.path}"][method.lower()]
            return operation
    return None
