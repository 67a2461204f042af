from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "predictions.webhooks"
    label = "webhooks"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        # The receiver that hears of finished predictions lives beside the other rules.
        from predictions.webhooks import services  # noqa: F401
