"""``manage.py check``: silent where all is well, clear where something is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emotionsite import checks
from tests.support.tiny_model import build_tiny_model

ROOT = Path(__file__).parents[1]


def test_documented_production_environment_is_clean(tmp_path):
    environment = {
        **os.environ,
        "SITE_TLS": "true",
        "TRUSTED_PROXIES": "1",
        "SECRET_KEY": "a-long-key-" + "aB3$" * 15,
        "ALLOWED_HOSTS": "faces.example.org",
        "DATA_DIR": str(tmp_path),
        "MODEL_PATH": str(build_tiny_model(tmp_path)),
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "no issues (0 silenced)" in result.stdout


def test_model_is_looked_at(settings, tmp_path):
    settings.MODEL_PATH = build_tiny_model(tmp_path)
    assert checks.model_is_readable(None) == []

    sidecar = settings.MODEL_PATH.with_suffix(".json")
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "labels": "happy,sad"}))
    (message,) = checks.model_is_readable(None)
    assert (message.id, bool(message.hint)) == ("emotionsite.W002", True)
    sidecar.unlink()
    assert [message.id for message in checks.model_is_readable(None)] == ["emotionsite.W002"]

    settings.MODEL_PATH.unlink()
    (message,) = checks.model_is_readable(None)
    assert message.id == "emotionsite.W001"
    assert str(settings.MODEL_PATH) in message.msg


def storage_at(settings, location: Path) -> None:
    media = {**settings.STORAGES["default"]}
    media["OPTIONS"] = {**media["OPTIONS"], "location": str(location)}
    settings.STORAGES = {**settings.STORAGES, "default": media}


def test_storage_is_looked_at(settings, tmp_path):
    storage_at(settings, tmp_path / "made" / "later")
    assert checks.storage_is_writable(None) == []
    assert not (tmp_path / "made").exists(), "a check changes nothing"

    (tmp_path / "file").write_text("")
    storage_at(settings, tmp_path / "file" / "media")
    (message,) = checks.storage_is_writable(None)
    assert (message.id, bool(message.hint)) == ("emotionsite.E001", True)


def test_object_store_is_not_asked(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {"bucket_name": "faces", "location": "photos"},
        },
    }
    assert checks.storage_is_writable(None) == []


@pytest.mark.parametrize(
    "url",
    ["redis://localhost:6379/0", "rediss://:pass@redis.internal/1", "unix:///run/redis.sock"],
)
def test_addresses_of_redis(url, settings):
    settings.REDIS_URL = url
    assert checks.broker_url_is_understood(None) == []


@pytest.mark.parametrize("url", ["localhost:6379", "", "http://localhost", "redis:///0", "unix:"])
def test_mistyped_addresses_of_redis(url, settings):
    settings.REDIS_URL = url
    (message,) = checks.broker_url_is_understood(None)
    assert (message.id, bool(message.hint)) == ("emotionsite.E002", True)
    assert "pass" not in message.msg


def test_a_proxy_that_nobody_named_is_told(settings):
    settings.SITE_TLS, settings.TRUSTED_PROXIES = True, 0
    (message,) = checks.proxies_are_known(None)
    assert (message.id, bool(message.hint)) == ("emotionsite.W003", True)
    settings.TRUSTED_PROXIES = 1
    assert checks.proxies_are_known(None) == []
    settings.SITE_TLS, settings.TRUSTED_PROXIES = False, 0
    assert checks.proxies_are_known(None) == []
