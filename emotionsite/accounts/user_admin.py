"""Users in the admin, and how much each of them stores: counts and sizes, never photos or names."""

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import BigIntegerField, Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from emotionsite.accounts.models import User

MEGABYTE = 1024 * 1024


def of_stored_photos(aggregate) -> Coalesce:
    """Return an aggregate over those photos of each user whose pixels are stored."""
    predictions = apps.get_model("predictions.Prediction").objects.order_by()
    stored = predictions.exclude(photo__upload="", photo__display="")
    own = stored.filter(owner=OuterRef("pk"), removed_at=None).values("owner")
    figure = Subquery(own.annotate(figure=aggregate).values("figure"))
    return Coalesce(figure, 0, output_field=BigIntegerField())


class StorageFilter(admin.SimpleListFilter):
    title = _("photos as uploaded")
    parameter_name = "megabytes"

    def lookups(self, request, model_admin) -> list[tuple[str, str]]:
        return [
            ("10", _("More than 10 MB")),
            ("100", _("More than 100 MB")),
            ("1024", _("More than 1 GB")),
        ]

    def queryset(self, request, queryset):
        offered = {value for value, _text in self.lookup_choices}
        if self.value() in offered:
            return queryset.filter(stored_bytes__gt=int(self.value()) * MEGABYTE)
        return queryset


@admin.register(User)
class StoringUserAdmin(UserAdmin):
    list_display = (
        "username", "email", "is_staff", "is_active", "last_login", "photos", "size_as_uploaded",
    )  # fmt: skip
    list_filter = (*UserAdmin.list_filter, StorageFilter)
    fieldsets = (
        *UserAdmin.fieldsets,
        (
            _("Stored photos"),
            {
                "fields": ("photos", "size_as_uploaded"),
                "description": _(
                    "Instead of what was uploaded, clean copies are stored, usually smaller ones."
                ),
            },
        ),
    )
    readonly_fields = ("photos", "size_as_uploaded")

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .annotate(
                stored_photos=of_stored_photos(Count("pk")),
                stored_bytes=of_stored_photos(Sum("photo__bytes")),
            )
        )

    @admin.display(description=_("photos"), ordering="stored_photos")
    def photos(self, user: User) -> int:
        return user.stored_photos

    @admin.display(description=_("size as uploaded"), ordering="stored_bytes")
    def size_as_uploaded(self, user: User) -> str:
        return filesizeformat(user.stored_bytes)
