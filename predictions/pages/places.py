"""Where waiting photos stand in the queue, as pages show it."""

from collections.abc import Iterable
from dataclasses import dataclass

from predictions import turns
from predictions.models import Prediction
from predictions.pages import wording


@dataclass(frozen=True)
class Place:
    """A place in the queue: how many are before it, and the seconds that it takes (or None)."""

    position: int
    seconds: float | None

    @property
    def text(self) -> str:
        return wording.place(self.position, self.seconds)

    @property
    def token(self) -> str:
        """Return what changes whenever the text does; pages send it back with their questions."""
        known = self.position and self.seconds is not None
        return f"{self.position}-{wording.rounded(self.seconds) if known else ''}"


def set_places(predictions: Iterable[Prediction]) -> None:
    """Give each prediction its ``place``: None unless it is queued. Costs the same few queries
    for one as for many."""
    predictions = list(predictions)
    positions = turns.positions(predictions)
    pace = turns.pace() if positions else None
    for prediction in predictions:
        position = positions.get(prediction.pk)
        prediction.place = None
        if position is not None:
            seconds = pace.seconds_until(position) if pace else None
            prediction.place = Place(position, seconds)
