"""Adding several pictures to the gallery at once."""

import re
from pathlib import PurePath

import structlog
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files import File
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from predictions import gallery
from predictions.limits import BATCH
from predictions.models import DemoImage
from predictions.unavailable import Unavailable, unavailable
from predictions.uploads import ACCEPT, UploadError, clean_name, validate

log = structlog.get_logger(__name__)


def title_of(name: str) -> str:
    """Return the title that a file name suggests."""
    words = re.sub(r"[\s_-]+", " ", PurePath(clean_name(name)).stem).strip()
    return (words[:1].upper() + words[1:])[:120] or _("Picture")


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """A list of files; each of them may be good or bad."""

    def clean(self, data, initial=None):
        if not data:
            raise ValidationError(self.error_messages["required"], code="required")
        return data


class SeveralForm(forms.ModelForm):
    pictures = FilesField(
        label=gettext_lazy("Pictures"), widget=FilesInput(attrs={"accept": ACCEPT})
    )
    field_order = ("pictures",)
    required_css_class = "required"

    class Meta:
        model = DemoImage
        fields = ("credit", "licence", "source")
        widgets = dict.fromkeys(fields, forms.TextInput(attrs={"class": "vTextField"}))

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pictures"].help_text = _(
            "Up to %(count)d files, together not more than %(size)d MB. The title of each is taken "
            "from its file name."
        ) % {
            "count": settings.DATA_UPLOAD_MAX_NUMBER_FILES,
            "size": BATCH * settings.MAX_UPLOAD_MB,
        }


def add_several(modeladmin: admin.ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Make an unpublished picture of each file; a bad one is named, and the others go on."""
    if not modeladmin.has_add_permission(request):
        raise PermissionDenied
    form = SeveralForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        added, refusals = _add_each(modeladmin, request, form.cleaned_data)
        if added:
            text = ngettext("%d picture was added.", "%d pictures were added.", added) % added
            modeladmin.message_user(request, text, messages.SUCCESS)
            for refusal in refusals:
                modeladmin.message_user(request, refusal.message, messages.WARNING)
            return redirect(f"{modeladmin.admin_site.name}:predictions_demoimage_changelist")
        form.add_error("pictures", refusals)
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": _("Add several pictures"),
        "opts": DemoImage._meta,
        "form": form,
    }
    return render(request, "admin/predictions/demoimage/several.html", context)


def _add_each(modeladmin, request, given: dict) -> tuple[int, list[ValidationError]]:
    """Return how many files were added, and why each of the others was not."""
    common = {name: given[name] for name in SeveralForm.Meta.fields}
    position, added, refusals = gallery.last_position(), 0, []
    for file in given["pictures"]:
        try:
            upload = validate(file)
            image = DemoImage(title=title_of(upload.name), position=position + added + 1, **common)
            gallery.add(image, upload)
            modeladmin.log_addition(request, image, [{"added": {}}])
        except UploadError as error:
            refusals.append(_refusal(file, error))
        except Exception as error:
            found = unavailable(error)
            if found is None:
                raise
            log.exception("picture not stored", code=found.code)
            refusals.append(_refusal(file, found))
        else:
            added += 1
    return added, refusals


def _refusal(file: File, error: UploadError | Unavailable) -> ValidationError:
    text = _("Not added: %(file)s. %(reason)s (%(code)s)") % {
        "file": clean_name(file.name),
        "reason": error.detail,
        "code": error.code,
    }
    return ValidationError(text, code=error.code)
