from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "predictions.webhooks"
    label = "webhooks"
    verbose_name = _("Webhooks of users")

    def ready(self) -> None:
        # The receiver that hears of finished predictions lives beside the other rules.
        from predictions.webhooks import services  # noqa: F401
