from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "emotionsite.accounts"
    label = "accounts"
    verbose_name = "Users and tokens"

    def ready(self) -> None:
        # The project itself is no app, so that its system checks are registered here.
        from emotionsite import checks  # noqa: F401
