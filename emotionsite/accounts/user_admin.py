"""Users in the admin, and how much each of them stores: counts and sizes, never photos or names."""

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from emotionsite.accounts import staff
from emotionsite.accounts.models import StaffAct, User

MEGABYTE = 1024 * 1024


def of_stored_photos(aggregate) -> Coalesce:
    """Return an aggregate over those photos of each user whose pixels are stored."""
    predictions = apps.get_model("predictions.Prediction").objects.order_by()
    stored = predictions.exclude(photo__upload="", photo__display="")
    own = stored.filter(owner=OuterRef("pk"), removed_at=None).values("owner")
    figure = Subquery(own.annotate(figure=aggregate).values("figure"))
    return Coalesce(figure, 0, output_field=BigIntegerField())


class StorageFilter(admin.SimpleListFilter):
    title = _("stored photos")
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


class NewUserForm(AdminUserCreationForm):
    usable_password = AdminUserCreationForm.create_usable_password_field(
        _(
            "Without a password nobody can log in to this account, until staff set one or its "
            "owner chooses one by a link that was sent by mail."
        )
    )

    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email")
        help_texts = {"email": _("Only its owner can change it later.")}


class NotedPasswordForm(AdminPasswordChangeForm):
    """A password that staff set; its user is told."""

    def save(self, commit: bool = True) -> User:
        user = super().save(commit)
        staff.note(user, StaffAct.Kind.PASSWORD)
        return user


@admin.register(User)
class StoringUserAdmin(UserAdmin):
    """Nobody takes over an account here unseen: addresses are their owners', passwords noted."""

    add_form = NewUserForm
    change_password_form = NotedPasswordForm
    list_display = (
        "username", "email", "is_staff", "is_active", "last_login", "photos", "size",
        "size_as_uploaded",
    )  # fmt: skip
    list_filter = (*UserAdmin.list_filter, StorageFilter)
    search_help_text = _("A part of a username, a name or an email address.")
    fieldsets = (
        UserAdmin.fieldsets[0],
        (
            _("Personal info"),
            {
                "fields": ("first_name", "last_name", "email"),
                "description": _("Only the owner of the account can change its address."),
            },
        ),
        *UserAdmin.fieldsets[2:],
        (
            _("Stored photos"),
            {
                "fields": ("photos", "size", "size_as_uploaded"),
                "description": _(
                    "The site stores a clean copy of each photo, usually smaller than the upload."
                ),
            },
        ),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("username", "email")}),
        (None, {"classes": ("wide",), "fields": ("usable_password", "password1", "password2")}),
    )
    readonly_fields = ("photos", "size", "size_as_uploaded")
    filter_horizontal = ()  # Its two lists are not named as screen readers want it.

    def get_readonly_fields(self, request, obj=None):
        # A link to a new password goes to this address; the days are what happened.
        own = ("email", "last_login", "date_joined") if obj else ()
        return (*self.readonly_fields, *own)

    def user_change_password(self, request: HttpRequest, id: str, form_url="") -> HttpResponse:
        """Send a link to a new password; only where none arrives, staff set one."""
        user = self.get_object(request, unquote(id))
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if user is None:
            raise Http404
        if not staff.gets_links(user):
            return super().user_change_password(request, id, form_url)
        if request.method == "POST":
            staff.send_link(request, user)
            text = gettext("A link to a new password was sent to %s.") % user.email
            self.log_change(request, user, text)
            messages.success(request, text)
            return redirect(f"{self.admin_site.name}:accounts_user_change", user.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Send a link to a new password"),
            "opts": self.opts,
            "original": user,
        }
        return render(request, "admin/accounts/user/send_link.html", context)

    def get_deleted_objects(self, objs, request: HttpRequest):
        """Count what goes along and name none of it: there may be a hundred thousand records."""
        counts, lacking = {User._meta.verbose_name_plural: len(objs)}, set()
        owners = [user.pk for user in objs]
        for relation in User._meta.related_objects:  # Of these none protects its user.
            model = relation.related_model
            if not self.admin_site.is_registered(model):
                continue
            count = model._base_manager.filter(**{f"{relation.field.name}__in": owners}).count()
            if count:
                counts[model._meta.verbose_name_plural] = count
                if not self.admin_site.get_model_admin(model).has_delete_permission(request):
                    lacking.add(model._meta.verbose_name)
        return list(map(str, objs)), counts, lacking, []

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .annotate(
                stored_photos=of_stored_photos(Count("pk")),
                stored_bytes=of_stored_photos(Sum("photo__stored_bytes")),
                uploaded_bytes=of_stored_photos(Sum("photo__bytes")),
            )
        )

    @admin.display(description=_("photos"), ordering="stored_photos")
    def photos(self, user: User) -> int:
        return user.stored_photos

    @admin.display(description=_("stored size"), ordering="stored_bytes")
    def size(self, user: User) -> str:
        return filesizeformat(user.stored_bytes)

    @admin.display(description=_("size as uploaded"), ordering="uploaded_bytes")
    def size_as_uploaded(self, user: User) -> str:
        return filesizeformat(user.uploaded_bytes)
