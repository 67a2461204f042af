"""The form of a new webhook."""

from django import forms
from django.utils.translation import gettext_lazy as _

from predictions.webhooks.targets import TargetRefused, parse


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=_("Address"),
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
        help_text=_("It takes POST requests with JSON, for example https://example.org/hook."),
    )

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        try:
            parse(url)
        except TargetRefused as refusal:
            raise forms.ValidationError(
                refusal.failure.label, code=refusal.failure.value
            ) from refusal
        return url
