"""The gallery in the admin: adding pictures, putting them in order, publishing them."""

from functools import partial

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from predictions import gallery, services
from predictions.admin.actions import act_on_each
from predictions.admin.several import add_several
from predictions.admin.wording import why_failed
from predictions.models import DemoImage, Prediction, Status
from predictions.pages.wording import EMOTIONS, STATUSES
from predictions.pictures import stream
from predictions.uploads import ACCEPT, UploadError, validate


class DemoImageForm(forms.ModelForm):
    picture = forms.FileField(
        label=gettext_lazy("Picture"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
        help_text=gettext_lazy("Choosing another picture replaces the present one and its answer."),
    )

    class Meta:
        model = DemoImage
        exclude = ("prediction", "slug")  # noqa: DJ006 - all others are for the admin to write

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            self.fields["picture"].required = True
            self.fields["picture"].help_text = _("It is analysed like everybody's photos.")
        else:
            self.fields["picture"].label = _("New picture")

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
        return why_failed(prediction)
    if prediction.status != Status.SUCCEEDED:
        return str(STATUSES[prediction.status])
    if not prediction.label:
        return _("No face found")
    words = [EMOTIONS[prediction.label], f"{prediction.confidence:.0%}"]
    if prediction.unsure:
        words.append(_("unsure"))
    return f"{prediction.emoji} {', '.join(map(str, words))}"


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
    search_help_text = gettext_lazy("Words of a title, a caption or a credit.")
    readonly_fields = ("preview", "answered")
    fields = (
        "preview", "answered", "picture", "title", "caption", "expected", "credit", "licence",
        "source", "position", "is_published",
    )  # fmt: skip
    actions = ("publish", "withdraw", "analyse_again")
    list_per_page = 500  # What is on one page is put in order by dragging.

    class Media:
        js = (forms.Script("predictions/order.js", type="module"),)

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "position":
            field.widget.attrs["aria-label"] = field.label  # In the list only a column is named.
        return field

    def get_fields(self, request, obj=None):
        return (
            self.fields
            if obj
            else [name for name in self.fields if name not in self.readonly_fields]
        )

    def get_urls(self):
        view = self.admin_site.admin_view
        picture = view(self.picture)
        return [
            path("several/", view(partial(add_several, self)), name="demo-image-several"),
            path("order/", view(require_POST(self.order)), name="demo-image-order"),
            *(
                path(f"<int:pk>/{kind}/", partial(picture, kind=kind), name=f"demo-image-{kind}")
                for kind in ("display", "thumbnail")
            ),
            *super().get_urls(),
        ]

    def order(self, request: HttpRequest) -> HttpResponse:
        """Put pictures in the order of the ids in ``order``; answer all positions as JSON.

        Whatever is no list of numbers with commas between them is answered 400, invalid_order.
        """
        if not self.has_change_permission(request):
            raise PermissionDenied
        ids = request.POST.get("order", "").split(",")
        if not all(pk.isascii() and pk.isdigit() and len(pk) < 19 for pk in ids):
            detail = "The order is a list of the ids of pictures, with commas between them."
            return JsonResponse({"code": "invalid_order", "detail": detail}, status=400)
        return JsonResponse({"positions": gallery.arrange([int(pk) for pk in ids])})

    def picture(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """Stream a clean copy to staff, also of a picture that is not published."""
        image = self.get_object(request, str(pk))
        if not self.has_view_permission(request, image):
            raise PermissionDenied
        if image is None:
            raise Http404
        return stream(getattr(image.prediction.photo, kind), image.slug, "private, no-cache")

    @admin.display(description=gettext_lazy("picture"))
    def thumbnail(self, image: DemoImage) -> str:
        return self._link(image, "thumbnail")

    @admin.display(description=gettext_lazy("picture"))
    def preview(self, image: DemoImage) -> str:
        return self._link(image, "display")

    def _link(self, image: DemoImage, kind: str) -> str:
        if not getattr(image.prediction.photo, kind):
            return self.get_empty_value_display()
        source = reverse(f"{self.admin_site.name}:demo-image-{kind}", args=[image.pk])
        return format_html('<img class="demo-{}" src="{}" alt="{}">', kind, source, image.title)

    @admin.display(description=gettext_lazy("answer"), ordering="prediction__label")
    def answered(self, image: DemoImage) -> str:
        return answer(image.prediction)

    @method_decorator(csrf_protect)
    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """Do without Django's transaction around the form, which would wait for the storage.

        The gallery saves a picture in one transaction of its own.
        """
        return self._changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request, obj, form, change) -> None:
        upload = form.cleaned_data.get("picture")
        if not change:
            gallery.add(obj, upload)
        elif upload:
            gallery.replace_picture(obj, upload)
        else:
            super().save_model(request, obj, form, change)

    @admin.action(description=gettext_lazy("Publish"), permissions=["change"])
    def publish(self, request, queryset) -> None:
        done = ngettext_lazy("%d picture was published.", "%d pictures were published.")
        self.message_user(request, done % queryset.update(is_published=True), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Withdraw"), permissions=["change"])
    def withdraw(self, request, queryset) -> None:
        done = ngettext_lazy("%d picture was withdrawn.", "%d pictures were withdrawn.")
        self.message_user(request, done % queryset.update(is_published=False), messages.SUCCESS)

    @admin.action(description=gettext_lazy("Analyse again"), permissions=["change"])
    def analyse_again(self, request, queryset) -> None:
        predictions = [image.prediction for image in queryset.select_related("prediction__photo")]
        done = ngettext_lazy("%d picture queued.", "%d pictures queued.")
        act_on_each(self, request, predictions, services.rerun, done)
