"""A client that a generator makes of the description, against the real web server."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import new_token


@pytest.fixture(scope="session")
def generated(tmp_path_factory) -> Path:
    """The folder with the generated package."""
    folder = tmp_path_factory.mktemp("client")
    tools = Path(sys.executable).parent
    description = folder / "openapi.yaml"
    subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--file", description, "--validate"],
        check=True,
    )
    subprocess.run(
        [
            *(tools / "openapi-python-client", "generate", "--path", description),
            *("--config", "predictions/api/generator.yaml"),
            *("--output-path", folder / "made", "--meta", "none", "--fail-on-warning"),
        ],
        check=True,
        env={"PATH": str(tools)},
    )
    return folder


SCRIPT = """
import io, sys
from made import AuthenticatedClient
from made.api.model import model_retrieve
from made.api.predictions import predictions_create, predictions_list
from made.models import UploadRequest
from made.types import File

site, token, photo = sys.argv[1:]
client = AuthenticatedClient(base_url=site, token=token, prefix="Token")
picture = File(io.BytesIO(open(photo, "rb").read()), "astronaut.png", "image/png")
sent = predictions_create.sync(client=client, body=UploadRequest(image=picture), prefer="wait=30")
assert sent.status.value == "succeeded", sent
[face] = sent.faces
listed = predictions_list.sync(client=client)
assert [each.id for each in listed.results] == [sent.id]
assert len(model_retrieve.sync(client=client).labels) == 7
print(face.label.value, round(sum(face.probabilities.to_dict().values()), 3))
"""


def test_a_generated_client_sends_a_photo_and_reads_its_answer(
    generated, web, worker, owner, astronaut, tmp_path
):
    photo = tmp_path / "astronaut.png"
    photo.write_bytes(astronaut)
    host, port = web
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"http://{host}:{port}", new_token(owner), photo],
        cwd=generated,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "happy 1.0\n"
