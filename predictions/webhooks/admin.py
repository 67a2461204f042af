"""The admin: which webhooks work. Secrets are not shown, nor paths, which may hold some."""

from urllib.parse import urlsplit

from django.contrib import admin, messages

from predictions.admin.filters import GivenValuesFilter
from predictions.admin.read_only import ReadOnlyAdmin
from predictions.webhooks.models import Webhook


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "host", "is_active", "off_reason", "given_up")
    list_filter = ("is_active", ("off_reason", GivenValuesFilter))
    list_select_related = ("owner",)
    search_fields = ("owner__username", "owner__email")
    fields = readonly_fields = ("id", *list_display)
    actions = ("switch_off",)

    def has_control_permission(self, request) -> bool:
        """Whether this person may switch webhooks off, though nobody may edit one."""
        return request.user.has_perm("webhooks.change_webhook")

    @admin.display
    def host(self, webhook: Webhook) -> str:
        return urlsplit(webhook.url).hostname or ""

    @admin.action(description="Switch off", permissions=["control"])
    def switch_off(self, request, queryset) -> None:
        count = queryset.update(is_active=False)
        self.message_user(request, f"{count} switched off.", messages.SUCCESS)
