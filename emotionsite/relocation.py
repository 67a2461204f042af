"""Finding the database that an earlier version put elsewhere.

It pasted the path of the database into a URL, so that ``#``, ``?``, ``%`` and ``+`` in the path of
DATA_DIR led to another file.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import environ
from django.conf import settings


def misplaced_database() -> Path | None:
    """Return the earlier version's database if it lies elsewhere than today's."""
    database = settings.DATABASES["default"]
    if os.environ.get("DATABASE_URL") or not database["ENGINE"].endswith(".sqlite3"):
        return None
    file = Path(database["NAME"])
    earlier = Path(environ.Env.db_url_config(f"sqlite:///{file}")["NAME"])
    return earlier if earlier != file and _is_site_database(earlier) else None


def _is_site_database(file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        with closing(_connect(file)) as database:
            found = database.execute("SELECT 1 FROM django_migrations WHERE app = 'predictions'")
            return found.fetchone() is not None
    except sqlite3.Error:
        return False


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True)


def recover_database() -> list[str]:
    """Copy a misplaced database to where it belongs, unless there is one; return what to say.

    The earlier file stays: folders of similar names may have shared it.
    """
    earlier = misplaced_database()
    if earlier is None:
        return []
    file = Path(settings.DATABASES["default"]["NAME"])
    if file.exists():
        return [f"An earlier version's database is still in {earlier}, unused."]
    copy = file.with_name(f"{file.name}.copy")
    copy.unlink(missing_ok=True)
    with closing(_connect(earlier)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.replace(file)
    return [
        f"An earlier version kept the database in {earlier}.",
        f"It has been copied to {file}.",
        "Delete the earlier file once you have seen that all is there.",
    ]
