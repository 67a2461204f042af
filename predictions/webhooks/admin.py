"""The admin: which webhooks work. Secrets are not shown, nor paths, which may hold some."""

from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from predictions.admin.filters import GivenValuesFilter
from predictions.admin.read_only import ReadOnlyAdmin
from predictions.webhooks.models import OffReason, Webhook


class OffReasonFilter(GivenValuesFilter):
    def words(self, changelist) -> dict[str, str]:
        return dict(OffReason.choices)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("host", "owner", "created_at", "is_active", "why_off", "failed_in_a_row")
    list_filter = ("is_active", ("off_reason", OffReasonFilter))
    list_select_related = ("owner",)
    search_fields = ("owner__username", "owner__email")
    search_help_text = _("A username or an email address.")
    fields = readonly_fields = ("id", *list_display)
    actions = ("switch_off",)
    view_on_site = False  # It is its owner's page; nobody else finds it.

    def has_control_permission(self, request) -> bool:
        """Whether this person may switch webhooks off, though nobody may edit one."""
        return request.user.has_perm("webhooks.change_webhook")

    @admin.display(description=_("host"))
    def host(self, webhook: Webhook) -> str:
        return urlsplit(webhook.url).hostname or ""

    @admin.display(description=_("why it is off"), ordering="off_reason")
    def why_off(self, webhook: Webhook) -> str:
        return webhook.why_off or self.get_empty_value_display()

    @admin.display(description=_("failed messages in a row"), ordering="given_up")
    def failed_in_a_row(self, webhook: Webhook) -> int:
        return webhook.given_up

    @admin.action(description=_("Switch off"), permissions=["control"])
    def switch_off(self, request, queryset) -> None:
        count = queryset.update(is_active=False)
        done = ngettext("%d webhook was switched off.", "%d webhooks were switched off.", count)
        self.message_user(request, done % count, messages.SUCCESS)
