"""Every call of the description, with right and wrong values that schemathesis thinks of.

``make fuzz`` runs the same for longer.
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.api import PREDICTIONS, new_token
from tests.support.records import publish

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "3")

# The description can say that a file is sent, but not that its bytes are a picture.
PICTURES = """
[[operations]]
include-operation-id = ["predictions_create", "predictions_batch_create"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "413", "415", "422", "503"]
"""


@pytest.fixture
def no_limits(monkeypatch) -> None:
    """Let the web server that starts next take requests as fast as they come."""
    monkeypatch.setenv("API_RATE_ADDRESS", "100000/sec")
    monkeypatch.setenv("API_RATE_USER", "100000/sec")
    monkeypatch.setenv("API_RATE_DRAWINGS", "100000/sec")


@pytest.fixture
def run_schemathesis(no_limits, web, redis_server, tmp_path: Path):
    """A function that runs all checks of schemathesis on the real web server.

    ``parameters`` have one value for all calls.
    """

    def run(*options: str, token: str = "", **parameters: str) -> None:
        host, port = web
        fixed = "".join(f'"{name}" = "{value}"\n' for name, value in parameters.items())
        config = tmp_path / "schemathesis.toml"
        config.write_text(f"[parameters]\n{fixed}{PICTURES}")
        command = [
            *(Path(sys.executable).with_name("schemathesis"), "--config-file", config, "run"),
            f"http://{host}:{port}/api/v1/schema/?format=json",
            *("--checks", "all", "--max-examples", EXAMPLES, "--seed", "1", "--no-color"),
            *("--generation-database", "none"),
            # No worker draws explanations here: some requests wait for as long as they may.
            *("--request-timeout", "60", "--max-response-time", "45"),
            *(("--header", f"Authorization: Token {token}") if token else ()),
            *options,
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_a_user_finds_every_call_as_it_is_described(run_schemathesis, owner, client, queue):
    queue()
    queue()
    following = client.get(PREDICTIONS, {"page_size": 1}).json()["next"]
    [cursor] = parse_qs(urlsplit(following).query)["cursor"]
    # The token's end would be the end of what can be learned with it. A cursor is what we gave.
    run_schemathesis(
        *("--exclude-operation-id", "auth_token_destroy"),
        token=new_token(owner),
        cursor=cursor,
    )


def test_records_that_there_are_are_answered_for_as_described(
    run_schemathesis, owner, analyse, astronaut
):
    demo = publish(astronaut)
    run_schemathesis(
        *("--mode", "positive", "--include-path-regex", "[{]"),
        *("--exclude-operation-id", "predictions_destroy"),
        token=new_token(owner),
        id=str(analyse().pk),
        slug=demo.slug,
        Prefer="wait=1",  # Without it each request for a drawing takes ten seconds here.
    )


def test_a_visitor_finds_every_call_as_it_is_described(run_schemathesis):
    run_schemathesis()


def test_a_token_may_end_itself_as_described(run_schemathesis, owner):
    run_schemathesis("--include-operation-id", "auth_token_destroy", token=new_token(owner))
