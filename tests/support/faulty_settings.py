"""The site's settings, with a clock and a storage that a test can disturb.

``FAULTS_DIR`` is the folder from which both read how they are to behave.
"""

import os
from pathlib import Path

from emotionsite.settings import *  # noqa: F403
from emotionsite.settings import STORAGES
from tests.support import movable_clock

_folder = Path(os.environ["FAULTS_DIR"])
STORAGES["default"] = {
    "BACKEND": "tests.support.faulty_storage.FaultyStorage",
    "OPTIONS": {**STORAGES["default"]["OPTIONS"], "trouble": str(_folder / "storage")},
}
movable_clock.follow(_folder / "clock")
