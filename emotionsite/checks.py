"""System checks: what an operator should know before the first user does."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.files.storage import default_storage

from emotionsite.relocation import misplaced_database
from mlcore.decoder import Decoder
from mlcore.errors import MLCoreError
from mlcore.model_info import verify_model_file


@register
def model_is_readable(app_configs, **kwargs) -> list[CheckMessage]:
    """Look for the network and what is written beside it; opening it takes the worker."""
    hint = "MODEL_PATH names the ONNX file; a JSON file of the same name lies beside it."
    if not Path(settings.MODEL_PATH).is_file():
        message = f"There is no network in {settings.MODEL_PATH}: no photo can be analysed."
        return [Warning(message, hint=hint, id="emotionsite.W001")]
    try:
        verify_model_file(settings.MODEL_PATH)
    except MLCoreError as error:
        return [Warning(f"The network cannot be used: {error}.", hint=hint, id="emotionsite.W002")]
    return []


@register
def storage_is_writable(app_configs, **kwargs) -> list[CheckMessage]:
    """Make sure that uploads can be stored, where they are stored on a file system."""
    location = getattr(default_storage, "location", None)
    if not location or not hasattr(default_storage, "base_location"):
        return []  # An object store: asking it would need the network.
    folder = Path(location)
    while not folder.exists():
        folder = folder.parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"Uploads cannot be stored: {folder} is no folder that this process may write to.",
            hint="Set DATA_DIR or STORAGE_URL, or give the folder to the user who runs the site.",
            id="emotionsite.E001",
        )
    ]


@register
def broker_url_is_understood(app_configs, **kwargs) -> list[CheckMessage]:
    """Tell a mistyped address of Redis from a Redis that is away."""
    url = urlsplit(settings.REDIS_URL)
    if (url.scheme in ("redis", "rediss") and url.hostname) or (url.scheme == "unix" and url.path):
        return []
    return [
        Error(
            f"REDIS_URL is no address of a Redis server (it begins with {url.scheme or '?'}:).",
            hint="Examples: redis://:password@host:6379/0, rediss://host/0, unix:///path/socket.",
            id="emotionsite.E002",
        )
    ]


@register
def database_is_in_its_place(app_configs, **kwargs) -> list[CheckMessage]:
    """Look for the file in which an earlier version kept its data by mistake."""
    earlier = misplaced_database()
    if earlier is None:
        return []
    file = settings.DATABASES["default"]["NAME"]
    message = f"An earlier version kept the database in {earlier}; now it is {file}."
    hint = "`make run` copies it where there is none yet. Delete the earlier file afterwards."
    return [Warning(message, hint=hint, id="emotionsite.W004")]


@register(deploy=True)
def proxies_are_known(app_configs, **kwargs) -> list[CheckMessage]:
    """A site behind TLS has a proxy before it, whose address would be that of everybody."""
    if not settings.SITE_TLS or settings.TRUSTED_PROXIES:
        return []
    message = "SITE_TLS is set and TRUSTED_PROXIES is 0: all visitors share one rate limit."
    hint = "Set TRUSTED_PROXIES to how many proxies append to X-Forwarded-For; usually 1."
    return [Warning(message, hint=hint, id="emotionsite.W003")]


@register(deploy=True)
def decoder_is_confined(app_configs, **kwargs) -> list[CheckMessage]:
    """Tell where the process that reads pictures is confined by limits only."""
    if "seccomp" in Decoder.protections:
        return []
    message = "This platform has no filter of system calls for the process that reads pictures."
    hint = "Run the site on Linux (x86-64 or arm64), and as a user without rights of its own."
    return [Warning(message, hint=hint, id="emotionsite.W006")]
