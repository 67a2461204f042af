"""Everything that the site knows of a user, as one file made while it is sent."""

import json
from collections.abc import Callable, Iterator

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest

from emotionsite.accounts.models import ApiToken, User
from predictions import export
from predictions.api.serializers import ExportedSerializer
from predictions.models import EarlierAnswer, Prediction


def account_data(user: User) -> dict:
    """Return what is known of the account itself, without passwords, tokens and other secrets."""
    tokens = ApiToken.objects.filter(user=user).order_by("created")
    addresses = user.emailaddress_set.order_by("pk")
    factors = Authenticator.objects.filter(user=user).order_by("created_at")
    webhooks = user.webhooks.values("url", "is_active", "created_at")
    return {
        "username": user.username,
        "email": user.email,
        "email_addresses": list(addresses.values("email", "verified", "primary")),
        "first_name": user.first_name,
        "last_name": user.last_name,
        "date_joined": user.date_joined,
        "last_login": user.last_login,
        "notice": {"version": user.notice_version, "accepted_at": user.notice_accepted_at},
        "retention_days": user.retention_days,
        "retention_days_of_the_site": settings.RETENTION_DAYS or None,
        "done_by_staff": list(user.staff_acts.values("kind", "at")),
        "second_factor": list(factors.values("type", "created_at", "last_used_at")),
        "api_tokens": [
            {
                "name": token.name,
                "start": token.start,
                "scope": token.scope,
                "created": token.created,
                "last_used_at": token.last_used_at,
                "expiry": token.expiry,
            }
            for token in tokens
        ],
        "webhooks": list(webhooks),
    }


def earlier(answer: EarlierAnswer) -> dict:
    """Return what another network said of a photo before, as JSON knows it."""
    return {
        "answered_at": answer.answered_at.isoformat(),
        "model": {
            "name": answer.model_name,
            "version": answer.model_version,
            "sha256": answer.model_sha256,
        },
        "faces": answer.faces,
    }


def archive(request: HttpRequest, note: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield a ZIP of the user's account.json, records and every file; ``note`` as for a ZIP."""

    def record(prediction: Prediction) -> dict:
        known = ExportedSerializer(prediction, context={"request": request}).data
        return {**known, "earlier_answers": list(map(earlier, prediction.earlier_answers.all()))}

    account = json.dumps(
        account_data(request.user), cls=DjangoJSONEncoder, ensure_ascii=False, indent=2
    )
    predictions = Prediction.objects.for_user(request.user).prefetch_related("earlier_answers")
    return export.zip_chunks(predictions, record, note, export.everything, account=account)
