"""Places in requests."""

from typing import Annotated

from pydantic import StringConstraints

from issuer.colour.regions import MAX_PLACE_CHARS, parse_place
from issuer.errors import InputError, UnknownPlaceError
from issuer.people.problems import Problem

__all__ = ["Place", "place_in"]

Place = Annotated[str, StringConstraints(max_length=MAX_PLACE_CHARS)]


def place_in(text: str, field: str) -> str:
    """The place that the member *field* names.

    Raises:
        InputError: There is no such place.
    """
    try:
        return parse_place(text)
    except UnknownPlaceError as error:
        raise InputError(Problem.UNKNOWN_PLACE, field) from error
