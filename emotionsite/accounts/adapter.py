"""What the site decides about django-allauth."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up can be closed by the operator."""

    def is_open_for_signup(self, request) -> bool:
        return settings.SIGNUP_OPEN
