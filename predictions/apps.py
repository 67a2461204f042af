from django.apps import AppConfig


class PredictionsConfig(AppConfig):
    name = "predictions"

    def ready(self) -> None:
        # The receivers of signals live beside the other rules.
        from predictions import notices, removal  # noqa: F401
