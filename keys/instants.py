"""Instants as people read and write them: UTC, to the second, in one form. Pure."""

import re
from datetime import UTC, datetime
from typing import Final

from keys.errors import SourceFileError

__all__ = ["format_time", "parse_time"]

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_LAST: Final = 253_402_300_799  # the last second of the year 9999


def format_time(at: int) -> str:
    """UNIX seconds as UTC, such as 2020-12-13T00:00:00Z; a time after the year 9999 as a number."""
    if not 0 <= at <= _LAST:
        return str(at)
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(value: object) -> int:
    """UNIX seconds of a time in exactly that form.

    Raises:
        SourceFileError: Any other form, a day that does not exist, or a time before 1970.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise SourceFileError(f"{value!a:.40} is not a time like 2020-12-13T00:00:00Z")
    try:
        at = int(datetime.fromisoformat(value).timestamp())
    except ValueError as error:
        raise SourceFileError(f"{value} does not exist") from error
    if at < 0:
        raise SourceFileError(f"{value} is before 1970")
    return at
