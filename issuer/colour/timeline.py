"""Local days. Pure. China is one zone, UTC+8 the whole year, so a local day is 86,400 s long."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

__all__ = ["DAY_S", "end_of_day_after", "local_date", "parse_instant"]

DAY_S: Final = 86400
OFFSET_S: Final = 8 * 3600


def _local_day(instant: int) -> int:
    """The local day of an instant, in days since 1970."""
    return (instant + OFFSET_S) // DAY_S


def local_date(instant: int) -> date:
    """The local day of an instant."""
    return date(1970, 1, 1) + timedelta(days=_local_day(instant))


def end_of_day_after(instant: int, days: int) -> int:
    """The first instant that is no longer in the local day *days* days after that of *instant*.

    A contact at any time on 1 December with 14 days counts through the whole of 15 December; this
    gives 16 December, 00:00 local time.
    """
    return (_local_day(instant) + days + 1) * DAY_S - OFFSET_S


def parse_instant(text: str) -> int | None:
    """UNIX seconds of an ISO 8601 time with seconds and offset; None where there is no such time.

    Does not check the form beyond what `datetime.fromisoformat` asks.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(moment.astimezone(UTC).timestamp()) if moment.tzinfo is not None else None
