"""What the lists of pictures and of predictions have in common."""

from collections.abc import Callable, Iterable

from django.contrib import admin, messages
from django.http import HttpRequest

from predictions import services
from predictions.models import Prediction


def act_on_each(
    modeladmin: admin.ModelAdmin,
    request: HttpRequest,
    predictions: Iterable[Prediction],
    service: Callable[[Prediction], None],
    done: str,
) -> None:
    """Call a service for each prediction, and say for how many it was possible."""
    count, refusals = 0, set()
    for prediction in predictions:
        try:
            service(prediction)
            count += 1
        except (services.NotAllowed, services.QueueFull) as error:
            refusals.add(error.detail)
    if count:
        modeladmin.message_user(request, f"{count} {done}.", messages.SUCCESS)
    for detail in sorted(refusals):
        modeladmin.message_user(request, detail, messages.WARNING)
