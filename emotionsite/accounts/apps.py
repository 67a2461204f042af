from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "emotionsite.accounts"
    label = "accounts"
    verbose_name = "Accounts"
