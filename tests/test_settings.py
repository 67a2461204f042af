"""The settings follow the environment, and refuse one that is no site."""

import os
import re
import subprocess
import sys

import pytest

from emotionsite.run import BASE_DIR

PRODUCTION = {
    "ALLOWED_HOSTS": "photos.example.org",
    "DATABASE_URL": "postgres://site:secret@db.example.org:5432/site",
    "EMAIL_URL": "smtp+tls://site:secret@mail.example.org:587",
    "REDIS_URL": "redis://broker.example.org:6379/0",
    "SECRET_KEY": "k3-NV8r_" * 8,
    "SITE_TLS": "true",
    "STORAGE_URL": "s3://photos/site",
    "TRUSTED_PROXIES": "1",
}


@pytest.fixture
def manage(tmp_path):
    """A function that runs ``manage.py`` with nothing in its environment but what it is given."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        # A variable that is set, if only to nothing, keeps a developer's .env out.
        quiet = {"DEBUG": "false", "SECRET_KEY": "", "DATA_DIR": str(tmp_path / "data")}
        quiet["MODEL_PATH"] = os.environ["MODEL_PATH"]
        return subprocess.run(
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=BASE_DIR,
            env={"PATH": "/usr/bin:/bin", **quiet, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_a_site_without_a_secret_key_does_not_start(manage):
    done = manage("check")
    assert done.returncode != 0
    assert "SECRET_KEY is not set" in done.stderr.splitlines()[-1]


def test_debugging_needs_no_secret_key(manage):
    assert manage("check", DEBUG="true").returncode == 0


def test_the_deployment_check_accepts_the_documented_environment(manage):
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_the_deployment_check_minds_a_site_without_tls(manage):
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION | {"SITE_TLS": "no"})
    assert done.returncode != 0
    assert "security.W008" in done.stderr


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux tells")
def test_a_worker_has_a_process_for_each_core_that_it_may_use(manage):
    program = "from django.conf import settings; print(settings.CELERY_WORKER_CONCURRENCY)"
    shell = ("shell", "--no-imports", "-c", program)
    cores = len(os.sched_getaffinity(0))
    assert manage(*shell, DEBUG="true").stdout == f"{cores}\n"
    assert manage(*shell, DEBUG="true", WORKER_PROCESSES="7").stdout == "7\n"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MAX_UPLOAD_MB", "twenty", "twenty"),
        ("STORAGE_URL", "ftp://example.org/", "STORAGE_URL must begin with"),
    ],
)
def test_nonsense_is_named(manage, name, value, complaint):
    done = manage("check", **PRODUCTION | {name: value})
    assert done.returncode != 0
    assert complaint in done.stderr.splitlines()[-1]


def test_error_reports_hold_no_names(manage):
    program = """
import sentry_sdk
from django.test import Client

sent = []
transport = sentry_sdk.get_client().transport
transport.capture_envelope = lambda envelope: sent.append(envelope.serialize())
name = "".join(["ada", "lovelace"])  # What was typed to start the program is reported.
browser = Client(raise_request_exception=False, SERVER_NAME="localhost")
browser.post("/accounts/login/", {"login": name, "password": "analytical"})
report = b"".join(sent)
print(b"OperationalError" in report, name.encode() in report)
"""
    # Nobody has made the tables, so that to look for the user fails.
    dsn = "http://key@127.0.0.1:9/1"
    done = manage("shell", "--no-imports", "-c", program, DEBUG="true", SENTRY_DSN=dsn)
    assert done.stdout.splitlines()[-1:] == ["True False"], done.stderr


def test_the_example_lists_every_setting():
    settings = (BASE_DIR / "emotionsite" / "settings.py").read_text()
    runner = (BASE_DIR / "emotionsite" / "run.py").read_text()
    read = re.findall(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"', settings)
    read += re.findall(r'os\.environ\.get\("([A-Z_]+)"', runner)
    example = (BASE_DIR / ".env.example").read_text()
    listed = re.findall(r"^#([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(listed) == sorted(set(read))


def test_the_example_changes_nothing_as_it_stands():
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
