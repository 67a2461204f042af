"""What the lists of pictures and of predictions have in common."""

from collections.abc import Callable, Sequence

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from predictions import services
from predictions.models import Prediction

AT_ONCE = 1000
"""Records that one request acts on: each takes a transaction, and others wait for the process."""


def act_on_each(
    modeladmin: admin.ModelAdmin,
    request: HttpRequest,
    predictions: QuerySet[Prediction] | Sequence[Prediction],
    service: Callable[[Prediction], None],
    done: str,
) -> None:
    """Call a service for each of at most AT_ONCE predictions; say for how many it was possible.

    ``done`` is of ngettext_lazy and takes the number.
    """
    count, refusals = 0, set()
    chosen = list(predictions[: AT_ONCE + 1])
    for prediction in chosen[:AT_ONCE]:
        try:
            service(prediction)
            count += 1
        except services.QuotaExceeded:
            # Its own sentence is for the owner.
            refusals.add(_("An owner has as many photos waiting as one user may have."))
        except services.REFUSALS as error:
            refusals.add(str(error.detail))
    if count:
        modeladmin.message_user(request, done % count, messages.SUCCESS)
    for detail in sorted(refusals):
        modeladmin.message_user(request, detail, messages.WARNING)
    if len(chosen) > AT_ONCE:
        text = _("Only the first %d of those that were selected: narrow the list for the others.")
        modeladmin.message_user(request, text % AT_ONCE, messages.WARNING)
