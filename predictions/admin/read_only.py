"""Lists of the admin in which rows are looked at and nothing of them is edited."""

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Nobody adds or edits rows, and they are asked for only by what the filters offer.

    Django lets the address of a list ask for any column of its table, so that whoever may see the
    list could spell out a secret that it does not show.
    """

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
