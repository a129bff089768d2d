"""A log, a gate and a loader over one database, as the tests of access need them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from audit.access import Field
from audit.database import create_tables, open_engine
from audit.gate import Gate
from audit.log import Log
from audit.models import metadata
from keys.signer import SeedSigner

ORIGIN = "celadon.example/610000"
SIGNER = SeedSigner(bytes(32))


class Loader:
    """Gives each field a value that names it, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, frozenset[Field]]] = []

    def __call__(self, subject: bytes, fields: frozenset[Field]) -> Mapping[Field, object]:
        self.calls.append((subject, fields))
        return {item: f"the {item}" for item in fields}


@dataclass
class Door:
    """One process at the door."""

    engine: Engine
    log: Log
    gate: Gate
    load: Loader = field(default_factory=Loader)


def open_door(url: str) -> Door:
    """A door over the database at *url*; several may be opened over one."""
    engine = open_engine(url)
    create_tables(engine, metadata)
    log = Log(engine, SIGNER, ORIGIN)
    return Door(engine, log, Gate(engine, log))
