"""What every template knows beside the request and the user."""

from django.conf import settings
from django.http import HttpRequest


def choices(request: HttpRequest) -> dict[str, bool]:
    """Tell what the operator chose, so that no page promises more than is kept."""
    return {
        "staff_sees_photos": settings.STAFF_SEES_PHOTOS,
        "signup_open": settings.SIGNUP_OPEN,
    }
