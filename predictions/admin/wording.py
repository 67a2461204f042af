"""How the admin says what the pages say to users, with the codes that operators look for."""

from django.utils.html import format_html

from predictions.models import Prediction
from predictions.pages.wording import failure


def why_failed(prediction: Prediction) -> str:
    """Return why an analysis failed, and the code by which the API and the log call it."""
    return format_html(
        '{} <code class="quiet">{}</code>', failure(prediction), prediction.error_code
    )
