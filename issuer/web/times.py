"""Dates and times in requests: one spelling each. Pure.

`datetime.fromisoformat` also takes week dates, the basic form and times without an offset, and
`int()` takes digits of other scripts. Source: RFC 3339, without leap seconds.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from issuer.errors import InputError
from issuer.people.problems import Problem

__all__ = ["format_instant", "parse_instant"]

#: China has one time zone; a date without a time begins at its midnight.
_CHINA: Final = timezone(timedelta(hours=8))

_DATE: Final = re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_INSTANT: Final = re.compile(
    _DATE.pattern + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)


def parse_instant(text: str, field: str) -> int:
    """A date (its first second in China), or a time with its offset, as UNIX seconds.

    Raises:
        InputError: Another form, no offset, 24:00, second 60, or no such day.
    """
    if _DATE.fullmatch(text):
        text = f"{text}T00:00:00+08:00"
    if not _INSTANT.fullmatch(text):
        raise InputError(Problem.TIME_FORM, field)
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise InputError(Problem.TIME_FORM, field) from error


def format_instant(at: int) -> str:
    """RFC 3339 in Chinese time, as people read it."""
    return datetime.fromtimestamp(at, UTC).astimezone(_CHINA).isoformat()
