"""What a token allows."""

from rest_framework.permissions import SAFE_METHODS, BasePermission


class TokenScope(BasePermission):
    """A token that may only read changes nothing.

    Whoever comes without a token, by the session of the pages, may do all that a user may.
    """

    code = "insufficient_scope"
    message = "This token may only read."

    def has_permission(self, request, view) -> bool:
        token = request.auth
        return request.method in SAFE_METHODS or token is None or token.can_write
