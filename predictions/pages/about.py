"""How it works, how wrong it is, and where it must not be used."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mlcore.errors import MLCoreError
from mlcore.labels import LABELS
from mlcore.model_info import read_model_info


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """Show what is measured of the shipped network, and nothing that is not."""
    try:
        model = read_model_info(settings.MODEL_PATH)
    except MLCoreError:
        return render(request, "about.html", {"model": None})
    figures = model.metrics.get("PrivateTest") or {}
    recall, precision = figures.get("recall") or {}, figures.get("precision") or {}
    rows = [
        (label, recall[label], precision[label])
        for label in LABELS
        if label in recall and label in precision
    ]
    return render(request, "about.html", {"model": model, "figures": figures, "rows": rows})
