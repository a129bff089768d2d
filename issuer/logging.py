"""One JSON line per event, by allow-list, from our own code and from every library.

A line holds known keys with short plain values and nothing else. Personal data has three ways into
a log, and each is closed here rather than at the call:

- a key that nobody thought of: dropped, and counted in `dropped`;
- a value: text beyond identifiers, long digit runs, and anything that would be shown by its `repr`
  are dropped and counted the same way;
- an exception's or a library's text: never read. A line names the exception's type and where in
  the code it was raised; of a library's message it names the logger and the line of code.

Use: `structlog.get_logger().info("batch_published", count=3)`, event names constant snake_case.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

__all__ = ["ALLOWED_KEYS", "configure", "install_hooks"]

ALLOWED_KEYS: Final = frozenset({
    "batch", "count", "duration_ms", "environment", "error", "error_at", "error_causes", "event",
    "kid", "kind", "level", "list_number", "logged", "logger", "method", "port", "problem",
    "purpose", "reason", "region", "role", "route", "seconds", "size", "source", "status", "time",
    "tree_size", "version",
})  # fmt: skip

_EVENT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", re.ASCII)
_MAX_EVENT: Final = 60
# Identifiers, versions, route templates. No spaces, quotes or letters of other scripts: a name or
# an address cannot be written so. Nine digits in a row could be a phone or identity number.
_VALUE: Final = re.compile(r"(?!.*[0-9]{9})[A-Za-z0-9_.,:/{}+-]{0,200}", re.ASCII)
_MAX_INT: Final = 10**10  # the smallest mobile number is larger
_MAX_CAUSES: Final = 4

_EventDict = MutableMapping[str, Any]


def configure(stream: TextIO, *, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's logging through one chain to *stream*."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            _describe_error,
            _keep_allowed,
            _to_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Through()]
    root.setLevel(max(level, logging.INFO))  # libraries' debug output is full of values
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    logging.captureWarnings(capture=True)


def install_hooks() -> None:
    """Log what nobody catches, instead of Python's own traceback with its values."""
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda unraisable: _log_uncaught(unraisable.exc_value)
    threading.excepthook = lambda args: _log_uncaught(args.exc_value)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _log_uncaught(error)


def _log_uncaught(error: BaseException | None) -> None:
    structlog.get_logger().critical("uncaught_error", exc_info=error)


class _Through(logging.Handler):
    """Hands a library's record to the chain, without the message that it would format."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        structlog.get_logger().log(
            level,
            "library_message",
            logger=record.name,
            source=f"{record.module}:{record.lineno}",
            exc_info=record.exc_info,
        )


def _describe_error(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    """In place of exc_info: the exception's type, where it was raised, and its causes' types."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = _type_name(error)
        event["error_at"] = _place(error)
        causes = ",".join(_type_name(cause) for cause in _causes(error))
        if causes:
            event["error_causes"] = causes
    return event


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "none"
    return f"{trace.tb_frame.f_globals.get('__name__', 'none')}:{trace.tb_lineno}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    for _ in range(_MAX_CAUSES):
        cause = error.__cause__ or error.__context__
        if cause is None:
            return
        yield cause
        error = cause


def _keep_allowed(_logger: object, _method: str, event: _EventDict) -> _EventDict:
    name = event.get("event")
    if not (isinstance(name, str) and len(name) <= _MAX_EVENT and _EVENT.fullmatch(name)):
        event["event"] = "malformed_event"
    kept = {key: event[key] for key in event if key in ALLOWED_KEYS and _is_plain(event[key])}
    dropped = len(event) - len(kept)
    return {**kept, "dropped": dropped} if dropped else kept


def _is_plain(value: object) -> bool:
    match value:
        case None | bool():
            return True
        case int() | float():
            return -_MAX_INT < value < _MAX_INT  # false for NaN too
        case str():
            return _VALUE.fullmatch(value) is not None
        case _:
            return False


def _to_json(_logger: object, _method: str, event: _EventDict) -> str:
    return json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
