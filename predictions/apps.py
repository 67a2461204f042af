from django.apps import AppConfig


class PredictionsConfig(AppConfig):
    name = "predictions"

    def ready(self) -> None:
        # The signal receivers that delete files live beside the other rules.
        from predictions import services  # noqa: F401
