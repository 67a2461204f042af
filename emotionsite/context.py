"""What every template knows beside the request and the user."""

from django.conf import settings
from django.http import HttpRequest


def privacy(request: HttpRequest) -> dict[str, bool]:
    """Tell who may open a photo, so that no page promises more than the operator keeps."""
    return {"staff_sees_photos": settings.STAFF_SEES_PHOTOS}
