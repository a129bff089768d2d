"""Dates and times in requests: one spelling each. Pure.

`datetime.fromisoformat` also takes week dates, the basic form and times without an offset, and
`int()` takes digits of other scripts. Source: RFC 3339, without leap seconds.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from issuer.errors import InputError
from issuer.people.problems import Problem

__all__ = ["CHINA", "format_instant", "local_date", "parse_date", "parse_instant"]

#: China has one time zone; a date without a time begins at its midnight.
CHINA: Final = timezone(timedelta(hours=8))

_DATE: Final = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT: Final = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


def parse_date(text: str, field: str) -> int:
    """The first second of a day in China, UNIX seconds.

    Raises:
        InputError: Not YYYY-MM-DD, or no such day.
    """
    if not _DATE.fullmatch(text):
        raise InputError(Problem.TIME_FORM, field)
    return _unix(f"{text}T00:00:00+08:00", field)


def parse_instant(text: str, field: str) -> int:
    """A date, or a time with its offset, as UNIX seconds.

    Raises:
        InputError: Another form, no offset, 24:00, second 60, or no such day.
    """
    if _DATE.fullmatch(text):
        return parse_date(text, field)
    if not _INSTANT.fullmatch(text):
        raise InputError(Problem.TIME_FORM, field)
    return _unix(text, field)


def format_instant(at: int) -> str:
    """RFC 3339 in Chinese time, as people read it."""
    return datetime.fromtimestamp(at, UTC).astimezone(CHINA).isoformat()


def local_date(at: int) -> date:
    """The day in China."""
    return datetime.fromtimestamp(at, UTC).astimezone(CHINA).date()


def _unix(text: str, field: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise InputError(Problem.TIME_FORM, field) from error
