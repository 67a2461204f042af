"""What it costs to read pictures in a process of their own: ``make bench``.

First the time that an ordinary photo takes in this process and in the decoder's. Then a whole
site gets files of 20 MB, ordinary and hostile, and what its web processes take for each is
measured: processor time, and memory at the highest. Fails beyond the limits below.
"""

import io
import statistics
import sys
import time
from contextlib import suppress

import numpy as np
import psutil
import requests
from PIL import Image

from mlcore.decoder import Decoder
from mlcore.images import load_photo
from tests.faults.site import Site, running
from tests.support import hostile

TIMES = 25
MAX_EXTRA = 0.015
"""Seconds that the isolation of an ordinary photo may cost."""
MAX_CPU = 0.3
"""Seconds of CPU time of the web processes for one upload."""
MAX_MEMORY = 64 * 1024 * 1024
MEGABYTE = 1024 * 1024


def photo(width: int, height: int) -> bytes:
    """Return a JPEG with as much detail as a photo has."""
    chance = np.random.default_rng(0)
    coarse = chance.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def ordinary(decoder: Decoder) -> list[str]:
    """Compare both ways on the same photos, in turns; return what is too slow."""
    too_slow = []
    for name, content in (("1 megapixel", photo(1200, 900)), ("12 megapixels", photo(4000, 3000))):
        plain, isolated = [], []
        for _time in range(TIMES):
            for read, seconds in ((load_photo, plain), (decoder.decode, isolated)):
                started = time.perf_counter()
                read(content)
                seconds.append(time.perf_counter() - started)
        before, after = statistics.median(plain), statistics.median(isolated)
        print(
            f"{name}: {1000 * before:.0f} ms here, {1000 * after:.0f} ms isolated, "
            f"{1000 * (after - before):+.1f} ms"
        )
        if after - before > MAX_EXTRA:
            too_slow.append(name)
    return too_slow


def files() -> dict[str, bytes]:
    """Return files of about 20 MB, by what they are."""
    limit = 20 * MEGABYTE - 1000
    made = {
        "an ordinary photo": photo(9000, 7000),
        "tags that share bytes": hostile.tiff_of_shared_bytes(),
        "a directory of 65,535 tags": hostile.tiff_of_many_tags(),
        "empty markers": hostile.jpeg_of_empty_markers(),
        "4,000 scans": hostile.jpeg_of_scans(),
        "no picture": b"\xff\xd8\xff" + bytes(limit - 3),
        "half a picture": photo(9000, 7000)[: limit // 2],
    }
    # What follows the end of a picture is part of the file: all are as large as may be.
    return {name: (content + bytes(limit))[:limit] for name, content in made.items()}


def cost(site: Site, web: list[psutil.Process], content: bytes, headers: dict) -> tuple:
    """Upload a file; return the answer, CPU seconds and the growth of memory of the web processes.

    The kernel keeps the peak of a process's memory; writing 5 to clear_refs starts it anew.
    """
    for process in web:
        with open(f"/proc/{process.pid}/clear_refs", "w") as file:  # noqa: PTH123
            file.write("5")
    cpu = sum(sum(process.cpu_times()[:2]) for process in web)
    memory = [process.memory_info().rss for process in web]
    answer = requests.post(
        f"{site.url}/api/v1/predictions/",
        files={"image": ("photo", content)},
        data={"force": "true"},
        headers=headers,
        timeout=300,
    )
    cpu = sum(sum(process.cpu_times()[:2]) for process in web) - cpu
    peaks = [peak(process) for process in web]
    return answer, cpu, max(after - before for before, after in zip(memory, peaks, strict=True))


def peak(process: psutil.Process) -> int:
    with open(f"/proc/{process.pid}/status") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def uploads(site: Site) -> list[str]:
    """Return which files cost the web processes too much."""
    token = site.accounts("ada")["ada"][1]
    headers = {"Authorization": f"Token {token}"}
    web = site.processes()["web process"]
    too_much = []
    for name, content in files().items():
        measured = [cost(site, web, content, headers) for _time in range(3)]
        answer = measured[-1][0]
        code = answer.json().get("code", "accepted")
        cpu = statistics.median(seconds for _answer, seconds, _memory in measured)
        # Memory that was taken once is used again, so that only the first upload shows it.
        memory = max(growth for _answer, _seconds, growth in measured)
        print(
            f"{name}: {answer.status_code} {code}, web {1000 * cpu:.0f} ms of CPU, "
            f"{memory / MEGABYTE:+.0f} MB at the highest"
        )
        if cpu > MAX_CPU or memory > MAX_MEMORY:
            too_much.append(name)
    return too_much


def main() -> None:
    decoder = Decoder()
    decoder.decode(photo(320, 240))
    failures = ordinary(decoder)
    decoder.close()
    with running() as site:
        failures += uploads(site)
    if failures:
        sys.exit(f"too much: {', '.join(failures)}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
