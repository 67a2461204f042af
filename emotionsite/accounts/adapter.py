"""What the site decides about django-allauth."""

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.stages import EmailVerificationStage
from allauth.account.utils import has_verified_email
from django.conf import settings


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up can be closed by the operator, whose own accounts need no address."""

    def is_open_for_signup(self, request) -> bool:
        return settings.SIGNUP_OPEN

    def get_login_stages(self) -> list[str]:
        own = f"{__name__}.{VerifyEmail.__name__}"
        replaced = f"{EmailVerificationStage.__module__}.{EmailVerificationStage.__name__}"
        return [own if path == replaced else path for path in super().get_login_stages()]

    def must_verify_email(self, user) -> bool:
        """Whether this user has to verify an address before the next log-in."""
        mandatory = app_settings.EmailVerificationMethod.MANDATORY
        is_mandatory = mandatory == app_settings.EMAIL_VERIFICATION
        return is_mandatory and bool(user.email) and not has_verified_email(user)


class VerifyEmail(EmailVerificationStage):
    """Asks only for what there is: without any address nobody could ever log in again.

    Who signs up gives one, so that such an account was made by the operator, perhaps before there
    was mail.
    """

    def handle(self):
        user = self.login.user  # None where somebody signs up with an address that is taken.
        return (None, True) if user and not user.email else super().handle()
