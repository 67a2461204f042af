from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "emotionsite.accounts"
    label = "accounts"
    verbose_name = _("Users and tokens")

    def ready(self) -> None:
        # The project itself is no app, so that its system checks are registered here.
        from emotionsite import checks  # noqa: F401
        from emotionsite.accounts import staff  # noqa: F401 - importing connects its receiver
