"""The work in the admin: what was done and what went wrong, not what is seen in a photo."""

import uuid

import structlog
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from predictions import services
from predictions.admin import work
from predictions.admin.actions import act_on_each
from predictions.admin.filters import AgeFilter, ErrorFilter, GivenValuesFilter, StuckFilter
from predictions.admin.read_only import ReadOnlyAdmin
from predictions.admin.wording import why_failed
from predictions.models import Face, Prediction
from predictions.pictures import stream

log = structlog.get_logger(__name__)


class FaceInline(admin.TabularInline):
    model = Face
    template = "admin/predictions/faces.html"
    # Without the owner's correction: the page promises that nobody else sees it.
    fields = ("index", "label", "confidence", "unsure", "detection_confidence")
    extra = 0
    can_delete = False

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Prediction)
class PredictionAdmin(ReadOnlyAdmin):
    """Counts and sizes only. With STAFF_SEES_PHOTOS, of which users are told, photo and answer."""

    list_display = (
        "short_id", "created_at", "status", "owner", "faces_found", "photo_size", "model_version",
        "error",
    )  # fmt: skip
    list_filter = (
        "status",
        StuckFilter,
        AgeFilter,
        ("model_version", GivenValuesFilter),
        ("error_code", ErrorFilter),
    )
    list_select_related = ("owner", "photo")
    search_fields = ("=id", "owner__username", "owner__email")
    search_help_text = gettext_lazy(
        "A username, an email address, or the id in the address of a result's page."
    )
    show_full_result_count = False
    change_form_template = None  # Its history tells who looked at the photo.
    view_on_site = False  # It is its owner's page; nobody else finds it.
    fields = (
        "id", "owner", "status", "created_at", "queued_at", "started_at", "finished_at", "attempts",
        "photo_size", "timings", "model_name", "model_version", "model_sha256", "error",
    )  # fmt: skip
    readonly_fields = ("thumbnail", *fields, "label", "confidence", "unsure", "advice")
    inlines = (FaceInline,)
    actions = ("analyse_again", "cancel")

    def has_control_permission(self, request) -> bool:
        """Whether this person may queue and cancel work, though nobody may edit a record."""
        return request.user.has_perm("predictions.change_prediction")

    def get_queryset(self, request):
        # The faces of one page are counted here: the database would count those of all records
        # before it takes the first hundred.
        faces = Prefetch("faces", Face.objects.only("prediction_id"))
        return super().get_queryset(request).filter(removed_at=None).prefetch_related(faces)

    def get_changelist_instance(self, request):
        changelist = super().get_changelist_instance(request)
        if not (changelist.query or changelist.has_active_filters):
            # Nothing is left out that a link to all of them would bring.
            changelist.full_result_count = changelist.result_count
        return changelist

    def get_list_display(self, request):
        return (*self.list_display, "label") if settings.STAFF_SEES_PHOTOS else self.list_display

    def get_list_filter(self, request):
        return (*self.list_filter, "label") if settings.STAFF_SEES_PHOTOS else self.list_filter

    def get_fields(self, request, obj=None):
        return self.readonly_fields if settings.STAFF_SEES_PHOTOS else self.fields

    def get_inlines(self, request, obj):
        return self.inlines if settings.STAFF_SEES_PHOTOS else ()

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("work/", view(self.work), name="work"),
            path("<uuid:pk>/thumbnail/", view(self.photo), name="staff-thumbnail"),
            *super().get_urls(),
        ]

    def work(self, request: HttpRequest) -> HttpResponse:
        """Show the state of queue, broker and workers: as a page, or as a part of the index."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        name = "_work" if request.htmx else "work"
        context = {**self.admin_site.each_context(request), "title": _("Work"), **work.figures()}
        return render(request, f"admin/predictions/{name}.html", context)

    def photo(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        """Stream the thumbnail where the operator lets staff see it, and record each look."""
        if not settings.STAFF_SEES_PHOTOS:
            raise Http404
        prediction = self.get_object(request, str(pk))
        if not self.has_view_permission(request, prediction):
            raise PermissionDenied
        if prediction is None:
            raise Http404
        # Kept nowhere, so that the next look asks again and is recorded, too.
        response = stream(prediction.photo.thumbnail, str(pk), "private, no-store")
        self.log_change(request, prediction, _("Looked at the photo."))
        log.info("staff looked at a photo", prediction=str(pk), staff=request.user.pk)
        return response

    @admin.display(description=gettext_lazy("photo"))
    def thumbnail(self, prediction: Prediction) -> str:
        if not prediction.photo.thumbnail:
            return self.get_empty_value_display()
        source = reverse(f"{self.admin_site.name}:staff-thumbnail", args=[prediction.pk])
        return format_html(
            '<figure class="look"><img class="demo-thumbnail" src="{}" alt="{}">'
            "<figcaption>{}</figcaption></figure>",
            source,
            _("The photo"),
            _("That you looked at it is recorded."),
        )

    @admin.display(description=gettext_lazy("prediction"))
    def short_id(self, prediction: Prediction) -> str:
        return format_html("<code>{}</code>", str(prediction.pk)[:8])

    @admin.display(description=gettext_lazy("error"), ordering="error_code")
    def error(self, prediction: Prediction) -> str:
        return why_failed(prediction) if prediction.error_code else self.get_empty_value_display()

    @admin.display(description=gettext_lazy("faces"))
    def faces_found(self, prediction: Prediction) -> int:
        return len(prediction.faces.all())

    @admin.display(description=gettext_lazy("size as uploaded"), ordering="photo__bytes")
    def photo_size(self, prediction: Prediction) -> str:
        photo = prediction.photo
        return f"{photo.width} × {photo.height}, {filesizeformat(photo.bytes)}"

    @admin.action(description=gettext_lazy("Analyse again"), permissions=["control"])
    def analyse_again(self, request, queryset) -> None:
        done = ngettext_lazy("%d prediction queued.", "%d predictions queued.")
        act_on_each(self, request, queryset, services.rerun, done)

    @admin.action(description=gettext_lazy("Cancel"), permissions=["control"])
    def cancel(self, request, queryset) -> None:
        done = ngettext_lazy("%d prediction canceled.", "%d predictions canceled.")
        act_on_each(self, request, queryset, services.cancel, done)
