"""A path is no URL: what it is made of leads nowhere else."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import redis

from emotionsite.processes import Processes, start_redis
from emotionsite.run import BASE_DIR

WEIRD = "we ird #1 50% é?&+;'\"\\%20[x]"


@pytest.fixture
def weird(tmp_path) -> Path:
    folder = tmp_path / WEIRD / "data"
    folder.mkdir(parents=True)
    return folder


def run(program: str, **environment: str) -> str:
    """Return what a program prints in which the settings are read."""
    quiet = {"DEBUG": "true", "DATABASE_URL": "", "STORAGE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import django; django.setup()\n{program}"],
        cwd=BASE_DIR,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "emotionsite.settings",
            **quiet,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


MIGRATE = "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
RECOVER = (
    "from emotionsite.relocation import recover_database; print(*recover_database(), sep='\\n')\n"
)
CHECK = (
    "from emotionsite.checks import database_is_in_its_place\n"
    "print(*[m.id for m in database_is_in_its_place(None)])\n"
)
USERS = (
    "from emotionsite.accounts.models import User\n"
    "print(*User.objects.values_list('username', flat=True))\n"
)
ADD_USER = (
    "from emotionsite.accounts.models import User; User.objects.create_user('ada', 'a@b.c')\n"
)


def test_the_database_is_where_the_data_is(weird):
    print(run(MIGRATE, DATA_DIR=str(weird)))
    assert (weird / "db.sqlite3").is_file()
    assert [path.name for path in weird.parent.parent.iterdir()] == [WEIRD]


def test_a_folder_for_photos_may_be_percent_encoded(weird):
    program = "from django.core.files.storage import default_storage as s; print(s.location)"
    encoded = weird.as_uri()
    assert "%23" in encoded
    data = {"DATA_DIR": str(weird)}
    assert run(program, STORAGE_URL=encoded, **data) == f"{weird}\n"
    plain = weird.parent.parent / "plain 50%"
    assert run(program, STORAGE_URL=f"file://{plain}", **data) == f"{plain}\n"


def test_a_folder_of_an_earlier_version_keeps_its_photos(tmp_path):
    folder = tmp_path / "a%20b"
    folder.mkdir()
    program = "from django.core.files.storage import default_storage as s; print(s.location)"
    url = f"file://{folder}"
    assert run(program, STORAGE_URL=url, DATA_DIR=str(tmp_path / "data")) == f"{folder}\n"


def test_redis_keeps_its_queue_in_such_a_folder(weird):
    processes = Processes()
    try:
        url = start_redis(processes, weird / "redis")
        with redis.Redis.from_url(url) as client:
            client.set("kept", "1")
            assert client.config_get("dir") == {"dir": str(weird / "redis")}
        processes.stop("redis")
        with redis.Redis.from_url(start_redis(processes, weird / "redis")) as client:
            assert client.get("kept") == b"1"
    finally:
        processes.stop("redis")


@pytest.fixture
def earlier(tmp_path) -> tuple[Path, Path]:
    """A data folder, and the database that an earlier version made for it somewhere else."""
    folder = tmp_path / "site #1" / "var"
    folder.mkdir(parents=True)
    misplaced = tmp_path / "site "
    made = tmp_path / "made"
    run(MIGRATE + ADD_USER, DATA_DIR=str(made))
    (made / "db.sqlite3").rename(misplaced)
    return folder, misplaced


def test_a_database_that_an_earlier_version_misplaced_is_copied(earlier):
    folder, misplaced = earlier
    data = {"DATA_DIR": str(folder)}
    assert run(CHECK, **data) == "emotionsite.W004\n"
    said = run(RECOVER, **data)
    assert str(misplaced) in said
    assert str(folder / "db.sqlite3") in said
    assert run(USERS, **data) == "ada\n"
    assert misplaced.is_file(), "folders of similar names may have shared it"
    assert "unused" in run(RECOVER, **data)
    misplaced.unlink()
    assert run(RECOVER + CHECK, **data).split() == []


def test_a_database_that_is_there_is_never_replaced(earlier):
    folder, misplaced = earlier
    data = {"DATA_DIR": str(folder)}
    run(MIGRATE, **data)
    assert f"is still in {misplaced}" in run(RECOVER, **data)
    assert run(USERS, **data) == "\n"


def test_another_file_of_that_name_is_not_taken_for_a_database(tmp_path):
    folder = tmp_path / "site #1"
    folder.mkdir()
    (tmp_path / "site ").write_text("notes")
    assert run(RECOVER + CHECK, DATA_DIR=str(folder)).split() == []
    (tmp_path / "site ").unlink()
    with closing(sqlite3.connect(tmp_path / "site ")) as database:
        database.execute("CREATE TABLE notes (text)")
    assert run(RECOVER + CHECK, DATA_DIR=str(folder)).split() == []
