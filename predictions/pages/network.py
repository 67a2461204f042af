"""The network as a drawing: a bar for each layer, as wide as it has maps, as high as they are."""

from dataclasses import dataclass

from mlcore.labels import LABELS

SIDE = 44
"""Pixels of a face as the network sees it."""

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Maps and convolutions of each stage; a max pooling, which halves the sides, ends it."""

LEFT, WIDTH = 152, 190
"""Where the bars begin, and how wide that of a layer with the most maps is."""

LABEL = 36
"""Height of the two lines that stand beside each stage."""

POOLING = 30
GAP = 3


@dataclass(frozen=True)
class Stage:
    """One stage of the drawing; ``bars`` are the ``y`` of its layers, all of one size."""

    maps: int
    convolutions: int
    side: int
    y: int
    width: str
    height: int
    bars: tuple[int, ...]
    pooling: int


@dataclass(frozen=True)
class Drawing:
    """What the template needs; ``end`` is where the last pooling ends."""

    stages: tuple[Stage, ...]
    end: int
    height: int
    cells: tuple[tuple[str, str], ...]


def draw() -> Drawing:
    """Lay the stages out below the picture of a face, in a drawing that is 350 units wide."""
    stages, y, side = [], SIDE + 24, SIDE
    most = max(maps for maps, _ in STAGES)
    for maps, convolutions in STAGES:
        height = 4 + side // 4
        bars = tuple(y + number * (height + GAP) for number in range(convolutions))
        end = max(y + LABEL, bars[-1] + height)
        width = f"{WIDTH * maps / most:.1f}"
        stages.append(Stage(maps, convolutions, side, y, width, height, bars, end))
        y, side = end + POOLING, side // 2
    step = WIDTH / len(LABELS)
    cells = tuple((label, f"{LEFT + step * n:.1f}") for n, label in enumerate(LABELS))
    return Drawing(tuple(stages), y, y + 132, cells)


def weights() -> int:
    """Return how many weights all layers have together; their biases are some thousands more."""
    inputs, count = 3, 0
    for maps, convolutions in STAGES:
        count += 9 * maps * (inputs + (convolutions - 1) * maps)
        inputs = maps
    return count + inputs * len(LABELS)
