from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PredictionsConfig(AppConfig):
    name = "predictions"
    verbose_name = _("Photos and gallery")

    def ready(self) -> None:
        # The receivers of signals live beside the other rules.
        from predictions import notices, removal  # noqa: F401
