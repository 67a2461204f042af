"""Forms of the account pages."""

from datetime import timedelta

from allauth.core import ratelimit
from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from emotionsite.accounts.models import ApiToken

NEVER = "never"
MOST_DAYS = 3650
"""For which a user may keep photos by a choice; without one there may be no end."""


class TokenForm(forms.ModelForm):
    """What a new API token is called, what it allows, and how long it lives."""

    days = forms.ChoiceField(
        label=_("Expires after"),
        choices=[
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("365", _("one year")),
            (NEVER, _("never")),
        ],
        initial="90",
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scope")
        labels = {"name": _("Name"), "scope": _("Access")}
        help_texts = {"name": _("So that you know it again: the notebook, the camera in the lab …")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True

    def clean_name(self) -> str:
        name = ApiToken.printable_name(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError(_("Give it a name that one can read."))
        return name

    @property
    def lifetime(self) -> timedelta | None:
        """How long the token is to live; None is without end."""
        days = self.cleaned_data["days"]
        return None if days == NEVER else timedelta(days=int(days))


class RetentionForm(forms.Form):
    """After how many days a user's photos go; it may be sooner than the site has it, not later."""

    days = forms.IntegerField(
        label=_("Delete my photos and results after this many days"),
        required=False,
        min_value=1,
        error_messages={
            "min_value": _("Choose at least one day."),
            "max_value": ngettext_lazy(
                "Choose at most %(limit_value)s day.",
                "Choose at most %(limit_value)s days.",
                "limit_value",
            ),
        },
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        days = self.fields["days"]
        most = min(settings.RETENTION_DAYS or MOST_DAYS, MOST_DAYS)
        days.max_value = days.widget.attrs["max"] = most
        days.validators.append(MaxValueValidator(days.max_value))
        if settings.RETENTION_DAYS:
            days.help_text = _(
                "Leave it empty to use the site's rule. You can only choose a shorter time than "
                "the site's."
            )
        else:
            days.help_text = _("Leave it empty to keep them until you delete them.")


class ConfirmForm(forms.Form):
    """The password once more, before something is erased.

    An account that its operator gave no password is confirmed by its username.
    """

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    username = forms.CharField(
        label=_("Your username"),
        help_text=_("Your account has no password: type the username instead."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args, request: HttpRequest, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.request = request
        del self.fields["username" if request.user.has_usable_password() else "password"]

    def clean_password(self) -> str:
        self._count()
        password = self.cleaned_data["password"]
        if not self.request.user.check_password(password):
            raise forms.ValidationError(_("This is not your password."))
        return password

    def clean_username(self) -> str:
        self._count()
        username = self.cleaned_data["username"]
        if username != self.request.user.username:
            raise forms.ValidationError(_("This is not your username."))
        return username

    def _count(self) -> None:
        """Let nobody guess on and on; the page that confirms who one is has the same limit."""
        if not ratelimit.consume(self.request, action="reauthenticate", user=self.request.user):
            raise forms.ValidationError(_("These were too many attempts: wait a minute."))
