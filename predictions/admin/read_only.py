"""Lists of the admin in which rows are looked at and nothing of them is edited."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _


def with_owner(obj: Model) -> str:
    """Name a thing and whose it is: the names of many things are alike."""
    owner = getattr(obj, "owner", None) or getattr(obj, "user", None)
    return _("%(thing)s of %(owner)s") % {"thing": obj, "owner": owner} if owner else str(obj)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Nobody adds or edits rows, and they are asked for only by what the filters offer.

    Django lets the address of a list ask for any column of its table, so that whoever may see the
    list could spell out a secret that it does not show.
    """

    change_form_template = "admin/read_only.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj=None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        filters = self.get_list_filter(request)
        # A filter of a column comes as (column, filter).
        columns = (offer[0] if isinstance(offer, tuple) else offer for offer in filters)
        offered = {getattr(column, "parameter_name", column) for column in columns}
        return lookup.split("__")[0] in offered

    def get_deleted_objects(self, objs, request: HttpRequest):
        _nested, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return [with_owner(obj) for obj in objs], counts, lacking, protected

    def render_change_form(self, request: HttpRequest, context: dict, **options) -> HttpResponse:
        context["subtitle"] = with_owner(context["original"])
        return super().render_change_form(request, context, **options)

    def render_delete_form(self, request: HttpRequest, context: dict) -> HttpResponse:
        return super().render_delete_form(
            request, context | {"subtitle": with_owner(context["object"])}
        )
