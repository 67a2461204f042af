"""The admin: users, and the tokens by which programs act as them."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from emotionsite.accounts.models import ApiToken, User

admin.site.register(User, UserAdmin)
# One way in for everybody, with its limit on guesses; the admin's own log-in has none.
admin.site.login = secure_admin_login(admin.site.login)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):
    """Which programs have access, to be revoked in need; nobody makes a token for another user."""

    list_display = ("user", "name", "scope", "created", "last_used_at", "expiry")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "user__email")
    fields = readonly_fields = list_display

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False
