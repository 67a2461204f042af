"""Forms of the account page."""

from datetime import timedelta

from django import forms
from django.utils.translation import gettext_lazy as _

from emotionsite.accounts.models import ApiToken

NEVER = "never"


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

    @property
    def lifetime(self) -> timedelta | None:
        """How long the token is to live; None is without end."""
        days = self.cleaned_data["days"]
        return None if days == NEVER else timedelta(days=int(days))


class DeleteAccountForm(forms.Form):
    """The password once more, before everything is deleted."""

    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args, user, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise forms.ValidationError(_("This is not your password."))
        return password
