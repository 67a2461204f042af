"""The admin: curating the gallery, and watching the work without seeing anybody's photo."""

from functools import partial

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import ngettext

from predictions import gallery, services
from predictions.models import DemoImage, Face, Prediction, Status
from predictions.pictures import stream
from predictions.uploads import ACCEPT, UploadError, validate

admin.site.site_header = admin.site.site_title = "Emotionsite"

EMPTY = "–"


class DemoImageForm(forms.ModelForm):
    picture = forms.FileField(
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        help_text="Choosing another picture replaces the present one and its answer.",
    )

    class Meta:
        model = DemoImage
        exclude = ("prediction", "slug")  # noqa: DJ006 - all others are for the admin to write

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields["picture"].required = True
            self.fields["picture"].help_text = "It is analysed like everybody's photos."
        else:
            self.fields["picture"].label = "New picture"

    def clean_picture(self):
        """Return an Upload, or None where the present picture stays."""
        file = self.cleaned_data["picture"]
        if file is None:
            return None
        try:
            return validate(file)
        except UploadError as error:
            raise ValidationError(error.detail, code=error.code) from error


def answer(prediction: Prediction) -> str:
    """What came of a prediction, in one line."""
    if prediction.status == Status.FAILED:
        return f"failed: {prediction.error_detail} ({prediction.error_code})"
    if prediction.status != Status.SUCCEEDED:
        return str(prediction.status)
    if not prediction.label:
        return "no face found"
    unsure = ", unsure" if prediction.unsure else ""
    return f"{prediction.emoji} {prediction.label}, {prediction.confidence:.0%}{unsure}"


def act_on_each(
    modeladmin: admin.ModelAdmin, request: HttpRequest, predictions, service, done: str
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


@admin.register(DemoImage)
class DemoImageAdmin(admin.ModelAdmin):
    form = DemoImageForm
    list_display = (
        "thumbnail", "title", "position", "is_published", "answered", "expected", "licence",
    )  # fmt: skip
    list_display_links = ("thumbnail", "title")
    list_editable = ("position",)
    list_filter = ("is_published", "prediction__status", "expected")
    list_select_related = ("prediction__photo",)
    search_fields = ("title", "caption", "credit")
    readonly_fields = ("preview", "answered")
    fields = (
        "preview", "answered", "picture", "title", "caption", "expected", "credit", "licence",
        "source", "position", "is_published",
    )  # fmt: skip
    actions = ("publish", "withdraw", "analyse_again")
    save_on_top = True

    class Media:
        css = {"all": ("predictions/admin.css",)}

    def get_fields(self, request, obj=None):
        return (
            self.fields
            if obj
            else [name for name in self.fields if name not in self.readonly_fields]
        )

    def get_urls(self):
        view = self.admin_site.admin_view(self.picture)
        return [
            path(f"<int:pk>/{kind}/", partial(view, kind=kind), name=f"demo-image-{kind}")
            for kind in ("display", "thumbnail")
        ] + super().get_urls()

    def picture(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """Stream a clean copy to staff, also of a picture that is not published."""
        image = self.get_object(request, str(pk))
        if not self.has_view_permission(request, image):
            raise PermissionDenied
        if image is None:
            raise Http404
        return stream(getattr(image.prediction.photo, kind), image.slug, "private, no-cache")

    @admin.display(description="picture")
    def thumbnail(self, image: DemoImage) -> str:
        return self._link(image, "thumbnail")

    @admin.display(description="picture")
    def preview(self, image: DemoImage) -> str:
        return self._link(image, "display")

    def _link(self, image: DemoImage, kind: str) -> str:
        if not getattr(image.prediction.photo, kind):
            return EMPTY
        source = reverse(f"{self.admin_site.name}:demo-image-{kind}", args=[image.pk])
        return format_html('<img class="demo-{}" src="{}" alt="{}">', kind, source, image.title)

    @admin.display(description="answer", ordering="prediction__label")
    def answered(self, image: DemoImage) -> str:
        return answer(image.prediction)

    def save_model(self, request, obj, form, change) -> None:
        upload = form.cleaned_data.get("picture")
        if not change:
            gallery.add(obj, upload)
        elif upload:
            gallery.replace_picture(obj, upload)
        else:
            super().save_model(request, obj, form, change)

    @admin.action(description="Publish", permissions=["change"])
    def publish(self, request, queryset) -> None:
        self._set_published(request, queryset, True, "published")

    @admin.action(description="Withdraw", permissions=["change"])
    def withdraw(self, request, queryset) -> None:
        self._set_published(request, queryset, False, "withdrawn")

    def _set_published(self, request, queryset, is_published: bool, done: str) -> None:
        count = queryset.update(is_published=is_published)
        text = ngettext("%d picture was %s.", "%d pictures were %s.", count)
        self.message_user(request, text % (count, done), messages.SUCCESS)

    @admin.action(description="Analyse again", permissions=["change"])
    def analyse_again(self, request, queryset) -> None:
        predictions = [image.prediction for image in queryset.select_related("prediction__photo")]
        act_on_each(self, request, predictions, services.rerun, "pictures queued")


class FaceInline(admin.TabularInline):
    model = Face
    # Without the owner's correction: the page promises that nobody else sees it.
    fields = ("index", "label", "confidence", "unsure", "detection_confidence")
    extra = 0
    can_delete = False

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Prediction)
class PredictionAdmin(admin.ModelAdmin):
    """What was done, never the photo nor its name: those are its owner's."""

    list_display = (
        "created_at", "status", "owner", "label", "faces_found", "photo_size", "model_version",
        "error_code",
    )  # fmt: skip
    list_filter = ("status", "label", "model_version", "error_code", "created_at")
    list_select_related = ("owner", "photo")
    search_fields = ("owner__username", "owner__email")
    show_full_result_count = False
    date_hierarchy = None
    fields = (
        "id", "owner", "status", "created_at", "sent_at", "started_at", "finished_at", "attempts",
        "label", "confidence", "unsure", "advice", "photo_size", "timings", "model_name",
        "model_version", "model_sha256", "error_code", "error_detail",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (FaceInline,)
    actions = ("analyse_again", "cancel")

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_control_permission(self, request) -> bool:
        """Whether this person may queue and cancel work, though nobody may edit a record."""
        return request.user.has_perm("predictions.change_prediction")

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(face_count=Count("faces"))

    @admin.display(description="faces", ordering="face_count")
    def faces_found(self, prediction: Prediction) -> int:
        return prediction.face_count

    @admin.display(description="photo", ordering="photo__bytes")
    def photo_size(self, prediction: Prediction) -> str:
        photo = prediction.photo
        return f"{photo.width} × {photo.height}, {filesizeformat(photo.bytes)}"

    @admin.action(description="Analyse again", permissions=["control"])
    def analyse_again(self, request, queryset) -> None:
        act_on_each(self, request, queryset, services.rerun, "predictions queued")

    @admin.action(description="Cancel", permissions=["control"])
    def cancel(self, request, queryset) -> None:
        act_on_each(self, request, queryset, services.cancel, "predictions canceled")
