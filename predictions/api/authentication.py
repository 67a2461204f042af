"""Who is asking: by token, by the session of the pages, or once by password to get a token."""

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.core.exceptions import ValidationError
from drf_spectacular.authentication import SessionScheme as CookieScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import BasicAuthentication
from rest_framework.authentication import SessionAuthentication as DRFSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import SAFE_METHODS

__all__ = ["PasswordAuthentication", "SessionAuthentication", "TokenAuthentication"]


SECOND_FACTOR_REQUIRED = (
    "This account has a second factor: log in on the site and create a token on the account page."
)


class TokenAuthentication(KnoxTokenAuthentication):
    """``Authorization: Token …``. Bytes that no token contains are a wrong token, too."""

    def authenticate_credentials(self, token: bytes):
        if not token.isalnum():
            raise AuthenticationFailed("Invalid token.")
        user, row = super().authenticate_credentials(token)
        row.note_use()
        return user, row


class SessionAuthentication(DRFSessionAuthentication):
    """The session of the pages."""

    def enforce_csrf(self, request) -> None:
        """Check the token of a request whose body is complete.

        The check takes a body that ended too early for one without a token.
        """
        if request.method not in SAFE_METHODS:
            request.data  # noqa: B018, it raises what is wrong with the body.
        super().enforce_csrf(request)


class PasswordAuthentication(BasicAuthentication):
    """Basic authentication under the rules of the log-in page.

    Attempts count against the same limits as the page's, and where an address must be verified
    before one may log in, it must be before one gets a token. A password alone is not enough for
    who has a second factor.
    """

    www_authenticate_realm = "Emotionsite"

    def authenticate_credentials(self, userid: str, password: str, request=None):
        wrong = AuthenticationFailed("Wrong username or password.")
        if "\x00" in userid:
            raise wrong
        adapter = get_adapter(request._request)
        try:
            user = adapter.authenticate(request._request, username=userid, password=password)
        except ValidationError as error:
            raise Throttled(wait=60, detail=" ".join(error.messages)) from error
        if user is None or not user.is_active:
            raise wrong
        if adapter.must_verify_email(user):
            raise PermissionDenied("Verify your email address first.", "email_not_verified")
        if is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            raise PermissionDenied(SECOND_FACTOR_REQUIRED, "second_factor_required")
        return user, None


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema):
        return build_bearer_security_scheme_object(
            header_name="Authorization", token_prefix=self.target.authenticate_header(None)
        )


class SessionScheme(CookieScheme):
    target_class = SessionAuthentication


class PasswordScheme(OpenApiAuthenticationExtension):
    target_class = PasswordAuthentication
    name = "password"

    def get_security_definition(self, auto_schema):
        return {"type": "http", "scheme": "basic"}
