"""What the tests of mlcore share: a tiny network, and pictures of a real face."""

from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from mlcore.analysis import EmotionAnalyser
from mlcore.detection import Box
from tests.support.tiny_model import build_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def analyser(tiny_model: Path) -> EmotionAnalyser:
    return EmotionAnalyser(tiny_model, threads=1)


@pytest.fixture
def astronaut() -> Image.Image:
    """Eileen Collins, smiling: a NASA portrait of 512 x 512 pixels in the public domain."""
    return Image.fromarray(data.astronaut())


@pytest.fixture
def astronaut_face() -> Box:
    """From hairline to chin and from cheek to cheek, read off the portrait by eye."""
    return Box(178, 66, 90, 108)


@pytest.fixture
def group(astronaut: Image.Image) -> Image.Image:
    """Twelve faces of three sizes, in four columns of three rows."""
    head = astronaut.crop((80, 0, 380, 300))
    image = Image.new("RGB", (1600, 1200), (90, 110, 120))
    for index in range(12):
        side = (280, 320, 360)[index % 3]
        image.paste(head.resize((side, side)), (index % 4 * 400, index // 4 * 400))
    return image
