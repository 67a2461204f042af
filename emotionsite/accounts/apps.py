from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "emotionsite.accounts"
    label = "accounts"
    verbose_name = _("Users and tokens")

    def ready(self) -> None:
        # The project itself is no app, so that its system checks are registered here.
        from emotionsite import checks  # noqa: F401
        from emotionsite.accounts import staff  # noqa: F401 - importing connects its receiver

        # Staff find in them what these names say; their own are those of their technique.
        for label, name in (
            ("account", _("Addresses of users")),
            ("auth", _("Permissions")),
            ("mfa", _("Second factors")),
        ):
            apps.get_app_config(label).verbose_name = name
