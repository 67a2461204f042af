"""How it works, how wrong it is, and where it must not be used."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mlcore.errors import MLCoreError
from mlcore.labels import LABELS
from mlcore.model_info import read_model_info
from predictions.models import DemoImage
from predictions.pages import measured, network
from predictions.pages.wording import verdict


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    """Show what is measured of the installed network, and nothing that is not."""
    judged = DemoImage.objects.published().exclude(expected="")
    context = {
        "labels": LABELS,
        "network": network.draw(),
        "million_weights": round(network.weights() / 1e6),
        "failures": [demo for demo in judged if verdict(demo).kind == "wrong"],
        **_measurements(),
    }
    return render(request, "about.html", context)


def _measurements() -> dict:
    """Return the tables and diagrams of the installed network; it may be missing."""
    try:
        model = read_model_info(settings.MODEL_PATH)
    except MLCoreError:
        return {"model": None}
    report = measured.read_report(Path(settings.MODEL_PATH), model.sha256)
    figures = measured.figures(model, report)
    return {
        "model": model,
        "figures": figures,
        "ticks": measured.TICKS,
        "rows": measured.by_class(figures),
        "confusion": measured.confusion(figures),
        "mistakes": measured.mistakes(figures),
        "reliability": measured.reliability(figures),
        "coverage": measured.coverage(figures),
        "records": measured.records(figures),
        "conditions": measured.conditions(report),
        "sizes": measured.sizes(report),
    }
