"""A real PostgreSQL server for tests, from Debian's package, in a folder of its own.

The server listens on a Unix socket inside that folder and nowhere else. initdb and the server
refuse to run as root; then they run as the package's user `postgres`.
"""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

PACKAGE_MISSING = "no PostgreSQL server here: install Debian's package `postgresql`"
_PROGRAMS = Path("/usr/lib/postgresql")


class Server:
    """A running server. Each schema that it hands out is a world of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._schemas = 0

    def url(
        self, *, user: str = "postgres", database: str = "postgres", schema: str = "public"
    ) -> str:
        options = f"options=-csearch_path%3D{schema}"
        return f"postgresql://{user}@/{database}?host={self._folder}&{options}"

    def execute(
        self,
        statement: sql.SQL | sql.Composed,
        *,
        user: str = "postgres",
        database: str = "postgres",
    ) -> None:
        """Run a statement outside of any transaction."""
        with psycopg.connect(
            host=str(self._folder), user=user, dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement)

    def new_schema(self) -> str:
        self._schemas += 1
        name = f"test_{self._schemas}"
        self.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        return name


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a server, and stop it with everything it holds."""
    programs = sorted(_PROGRAMS.glob("*/bin/pg_ctl"))
    if not programs:
        raise FileNotFoundError(PACKAGE_MISSING)
    with TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as name:
        folder, bin_folder = Path(name), programs[-1].parent
        user = _give_away(folder)
        data = str(folder / "data")

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [bin_folder / program, "-D", data, *arguments],
                check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, timeout=60,
            )  # fmt: skip

        run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C",
            "--no-sync")  # fmt: skip
        settings = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
        run("pg_ctl", "start", "--wait", "--log", str(folder / "log"), "--options", settings)
        try:
            yield Server(folder)
        finally:
            run("pg_ctl", "stop", "--wait", "--mode=fast")


def _give_away(folder: Path) -> int | None:
    """The user to run as: ourselves, or as root the package's user, who gets the folder."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return account.pw_uid
