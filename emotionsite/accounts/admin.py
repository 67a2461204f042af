"""The admin: users, their second factors, and the tokens by which programs act as them."""

from allauth.account.admin import EmailAddress
from allauth.account.decorators import secure_admin_login
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.admin import Authenticator
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from emotionsite.accounts import (
    staff,
    user_admin,  # noqa: F401 - importing registers it
)
from emotionsite.accounts.models import ApiToken
from predictions.admin.read_only import ReadOnlyAdmin


@secure_admin_login
def enter(request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
    """Let staff go on; the site's log-in has made sure that they are who they say.

    The admin's own form would take a password alone, without limit on guesses or second factor.
    """
    return redirect(get_next_redirect_url(request) or "admin:index")


def change_password(request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
    """Lead to the site's own page, which limits guesses at the old password and tells its owner."""
    return redirect("account_change_password")


admin.site.login = enter
admin.site.password_change = change_password

# The class that comes with it shows the secrets.
admin.site.unregister(Authenticator)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Who has a second factor, to be deleted for somebody who lost phone and recovery codes."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")
    search_help_text = _("A username or an email address.")
    fields = readonly_fields = list_display
    empty_value_display = _("never")

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        self.delete_queryset(request, Authenticator.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        staff.remove_factors(queryset)


admin.site.unregister(Group)


@admin.register(Group)
class PlainGroupAdmin(GroupAdmin):
    """Groups, with one list of permissions as users have it."""

    search_help_text = _("A part of the name.")
    filter_horizontal = ()


# Whoever could add an address to an account could have a link to a new password sent there.
admin.site.unregister(EmailAddress)


@admin.register(EmailAddress)
class EmailAddressAdmin(ReadOnlyAdmin):
    """Which addresses belong to whom; their owners change them, with their password."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    list_select_related = ("user",)
    search_fields = ("email", "user__username")
    search_help_text = _("A username or an email address.")
    fields = readonly_fields = list_display


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Which programs have access, to be revoked in need; nobody makes a token for another user."""

    list_display = ("user", "known_as", "scope", "created", "last_used_at", "expiry")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "user__email")
    search_help_text = _("A username, an email address or the name of a token.")
    fields = readonly_fields = list_display
    empty_value_display = _("never")

    @admin.display(description=_("name"), ordering="name")
    def known_as(self, token: ApiToken) -> str:
        return str(token)
