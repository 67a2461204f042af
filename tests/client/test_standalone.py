"""The client stands alone: nothing of the server, and what it needs is said in the file itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from mlcore import LABELS
from predictions import client

ROOT = Path(__file__).parents[2]
OF_THE_SERVER = {
    "django",
    "celery",
    "redis",
    "numpy",
    "PIL",
    "onnxruntime",
    "mlcore",
    "emotionsite",
}


def test_importing_it_loads_nothing_of_the_server():
    code = "import predictions.client, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"requests", "tqdm"} <= loaded
    assert not loaded & OF_THE_SERVER


def test_a_copy_says_what_it_needs():
    source = Path(client.__file__).read_text()
    block = re.match(r"# /// script\n((?:#.*\n)+?)# ///\n", source)
    inline = tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert inline["requires-python"] == project["requires-python"]
    assert {re.match(r"\w+", need)[0] for need in inline["dependencies"]} == {"requests", "tqdm"}
    assert set(inline["dependencies"]) <= set(project["dependencies"])
    assert project["scripts"]["emotionsite-client"] == "predictions.client:main"


def test_its_columns_are_the_emotions_of_the_network():
    assert client.LABELS == LABELS
