"""Doing a worker's work in this process, for one photo or face whichever one is next.

Import this where a test runs: it needs Django to be set up.
"""

from datetime import UTC, datetime

from predictions import explanations, services, tasks, turns
from predictions.models import Face, Prediction

FIRST = {"turn": -1, "is_urgent": True, "queued_at": datetime(2000, 1, 1, tzinfo=UTC)}


def bring_forward(prediction_id: object) -> bool:
    """Make a queued prediction the next one that is claimed; False where it is not queued."""
    return bool(turns.waiting(Prediction).filter(pk=prediction_id).update(**FIRST, not_before=None))


def claim(prediction_id: object, task_id: str = "test") -> Prediction | None:
    """Claim this prediction as a worker would, though others may be before it."""
    return services.claim(task_id) if bring_forward(prediction_id) else None


def analyse(prediction_id: object) -> None:
    """Run the task for this prediction, where it is queued."""
    if bring_forward(prediction_id):
        tasks.analyse()


def analyse_to_the_end(prediction: Prediction) -> Prediction:
    """Run the task until the prediction has ended, without its pauses; refresh and return it."""
    while bring_forward(prediction.pk):
        tasks.analyse()
    prediction.refresh_from_db()
    return prediction


def draw(face: Face) -> None:
    """Ask for a face's explanation, and run the task that draws it."""
    if not explanations.is_under_way(face):
        explanations.picture(face, seconds=0)
    tasks.draw_explanation()


def lose(prediction_id: object) -> None:
    """Take a running prediction from its worker, as if that had died."""
    services.handle_lease_lapsed(Prediction.objects.get(pk=prediction_id))


def fail_drawing(face: Face) -> None:
    """Let the explanation of a face fail, as if its worker could not draw it."""
    if not explanations.is_under_way(face):
        explanations.picture(face, seconds=0)
    explanations.fail(*explanations.claim("test"))
