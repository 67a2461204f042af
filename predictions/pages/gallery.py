"""The public gallery, and trying one of its pictures."""

from django.core.files import File
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from predictions.files import open_file
from predictions.models import DemoImage
from predictions.pages.access import action
from predictions.pages.intake import take
from predictions.pages.results import faces_context
from predictions.pages.uploading import refuse, to_result
from predictions.pages.wording import verdict

GROUPS = {
    "right": _("Where it is right"),
    "unsure": _("Where it is unsure"),
    "wrong": _("Where it fails"),
    "open": _("Where there is no right word"),
}


def group_of(demo: DemoImage) -> str:
    """Return the group that a picture belongs to with its present answer."""
    kind = verdict(demo).kind
    return "unsure" if kind == "right" and demo.prediction.unsure else kind


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the pictures by how well they are answered; ``show`` names one group of them."""
    groups = {name: [] for name in GROUPS}
    for image in DemoImage.objects.published():
        groups[group_of(image)].append(image)
    filled = [
        {"name": name, "title": GROUPS[name], "pictures": pictures}
        for name, pictures in groups.items()
        if pictures
    ]
    chosen = request.GET.get("show", "")
    context = {
        "groups": filled,
        "chosen": chosen,
        "shown": [group for group in filled if group["name"] == chosen] or filled,
    }
    return render(request, "gallery/index.html", context)


@require_safe
def demo(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a picture of the gallery as its owner would see it."""
    image = get_object_or_404(DemoImage.objects.published(), slug=slug)
    context = faces_context(image.prediction, request.GET.get("face"))
    return render(request, "gallery/detail.html", context | {"demo": image})


@action
def try_demo(request: HttpRequest, slug: str) -> HttpResponse:
    """Analyse a picture of the gallery for the user, by the way that every photo takes."""
    image = get_object_or_404(DemoImage.objects.published(), slug=slug)
    try:
        file = open_file(image.prediction.photo.display)
    except FileNotFoundError as error:
        raise Http404 from error
    with file:
        outcome = take(request.user, File(file), name=f"{image.slug}.jpg")
    return refuse(request, outcome) if outcome.code else to_result(request, outcome)
