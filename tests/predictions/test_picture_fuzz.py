"""Damaged pictures of every accepted format, through validator, decoder and analyser.

``make fuzz`` runs the same for as long as ``FUZZ_MINUTES`` says.
"""

import os
import time
from collections import Counter

import psutil
import pytest
from django.core.files.base import ContentFile
from hypothesis import HealthCheck, Phase, given, settings

from tests.support.mutations import mutated_files, originals

MINUTES = float(os.environ.get("FUZZ_MINUTES") or 0)
EXAMPLES = 150
MAX_SECONDS = 60.0
"""For one file, on a slow and busy machine; the CPU time of every step has a smaller limit."""
MAX_GROWTH = 250 * 1024 * 1024
"""Bytes by which this process may grow, network and detector included."""

FILE_CODES = {
    *("empty_file", "unsupported_format", "unreadable_image"),
    *("too_many_pixels", "too_complex", "timed_out"),
}
VALIDATOR_CODES = {*FILE_CODES, "file_too_large", "too_small"}


@pytest.fixture(scope="module")
def analyser():
    from mlcore import EmotionAnalyser

    return EmotionAnalyser(os.environ["MODEL_PATH"], threads=1)


def read(content: bytes, analyser) -> str:
    """Take a file the way of an upload; return where it ended.

    Any error but the documented ones goes to the caller.
    """
    from mlcore.decoder import shared_decoder
    from mlcore.errors import UnreadableImage
    from predictions.uploads import UploadError, validate

    refused = unreadable = ""
    try:
        upload = validate(ContentFile(content, "photo"))
    except UploadError as error:
        refused = error.code
    # What the validator refuses never comes so far on a site, but may on the command line.
    try:
        photo = shared_decoder().decode(content)
    except UnreadableImage as error:
        unreadable = error.code
    assert refused in {"", *VALIDATOR_CODES}
    assert unreadable in {"", *FILE_CODES}
    if unreadable:
        return unreadable
    assert max(photo.image.size) <= 2048
    if refused:
        return f"refused as {refused}"
    assert (upload.width, upload.height) == (photo.width, photo.height)
    analysis = analyser.analyse(photo)
    assert (analysis.width, analysis.height) == (photo.width, photo.height)
    return "analysed"


def test_every_original_is_analysed(analyser):
    ends = {name: read(content, analyser) for name, content in originals().items()}
    assert ends == dict.fromkeys(originals(), "analysed")


def test_damaged_pictures_end_with_a_documented_code_and_leave_nothing(analyser):
    process = psutil.Process()
    good = originals()["jpeg baseline"]
    read(good, analyser)
    before = process.memory_info().rss, process.num_fds(), len(process.children(recursive=True))
    ends: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not MINUTES,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated_files())
    def try_files(content: bytes) -> None:
        started = time.monotonic()
        ends[read(content, analyser)] += 1
        assert time.monotonic() - started < MAX_SECONDS

    end = time.monotonic() + MINUTES * 60
    while True:
        try_files()
        if time.monotonic() >= end:
            break
    # Both good and bad files must have come through, or nothing was tried.
    assert min(ends["unreadable_image"], ends["analysed"]) > 0, ends
    assert read(good, analyser) == "analysed"
    memory, descriptors, children = before
    assert process.memory_info().rss - memory < MAX_GROWTH
    assert process.num_fds() <= descriptors
    assert len(process.children(recursive=True)) <= children
    print(dict(ends))
