"""Logs: a JSON object a line on stderr. A field goes out only where it is on the list below.

So a history, a key or a request's body can't be logged by mistake: whoever adds a field to a line adds
it here first, and its name stands under `dropped` until then. Values are numbers and short strings;
a list or an object is dropped too, whatever its name.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, BinaryIO

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

FIELDS = """
    accepted attempt backend bytes canary count degraded duplicates error_kind fallback files host is_open
    items kind key_id lag_s level live lost method number pid placement port reason rejected request_id role
    route seconds shadow share signal size_mb stage status store success took_ms trouble until_s users
    version waiting workers
"""
ALLOWED = frozenset(FIELDS.split())
"""Names of fields that may be logged. None of them holds an id of a person, an item or a secret."""

LONGEST = 300
"""Characters of a string."""

EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
"""An event is a name, `model_swapped`, and no sentence with data in it."""

Fields = MutableMapping[str, Any]


def configure(level: str = "info", out: BinaryIO | None = None) -> None:
    """Send structlog's and the standard library's lines as JSON to `out`, or stderr.

    Start uvicorn with `log_config=None` and `access_log=False`: its own lines come here then.
    """
    wire = out or sys.stderr.buffer
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[structlog.processors.add_log_level, _allow, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(wire),
        cache_logger_on_first_use=True,
    )
    handler = _Lines(wire)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # other libraries speak only of trouble
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(number)
    access = logging.getLogger("uvicorn.access")  # writes whole paths, with ids in them
    access.handlers.clear()
    access.propagate = False
    logging.captureWarnings(True)


def logger() -> FilteringBoundLogger:
    """A logger of the present configuration."""
    made: FilteringBoundLogger = structlog.get_logger()
    return made


def told(error: BaseException) -> str:
    """Where a defect came up, a line a call, and its type.

    Without its message: that may hold what the request held.
    """
    chain = []
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        chain.append(f"{type(at).__module__}.{type(at).__qualname__}{_calls(at.__traceback__)}")
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\nfrom ".join(chain)


def _calls(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace, limit=-30)
    return "".join(f"\n  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames)


def _allow(_: object, __: str, fields: Fields) -> Mapping[str, Any]:
    """Only what is on the list, in a line that begins with when and what."""
    event = fields.pop("event", "")
    error = fields.pop("exc_info", None)
    named = isinstance(event, str) and EVENT.fullmatch(event) is not None
    line: dict[str, Any] = {
        "at": _now(),
        "level": fields.pop("level", "info"),
        "event": event if named else "unnamed",
    }
    dropped = [] if named else ["event"]
    for name, value in fields.items():
        if name not in ALLOWED or not (value is None or isinstance(value, str | int | float)):
            dropped.append(str(name)[:64])
        elif isinstance(value, str):
            line[name] = value[:LONGEST]
        else:
            line[name] = value
    if error:
        raised = error if isinstance(error, BaseException) else sys.exc_info()[1]
        if raised is not None:
            line["traceback"] = told(raised)
    if dropped:
        line["dropped"] = dropped
    return line


def _render(_: object, __: str, line: Fields) -> bytes:
    try:
        return orjson.dumps(line)
    except TypeError:  # half a surrogate pair, or an int past 64 bits
        return orjson.dumps({key: ascii(value) for key, value in line.items()})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Lines(logging.Handler):
    """Lines of the standard library's loggers, as JSON.

    Of uvicorn the whole sentence: it speaks of ports and processes. Of others the first line as it stands
    in their source, its blanks not filled in: what would fill them might be anybody's.
    """

    def __init__(self, wire: BinaryIO) -> None:
        super().__init__()
        self._wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage() if record.name.startswith("uvicorn") else str(record.msg)
            line = {
                "at": _now(),
                "level": record.levelname.lower(),
                "event": "library_said",
                "logger": record.name,
                "said": said.strip().partition("\n")[0][:LONGEST],
            }
            if record.exc_info and record.exc_info[1] is not None:
                line["traceback"] = told(record.exc_info[1])
            self._wire.write(_render(None, "", line) + b"\n")
            self._wire.flush()
        except Exception:
            self.handleError(record)
