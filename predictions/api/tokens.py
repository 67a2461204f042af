"""Getting and giving back an API token."""

from datetime import timedelta

from django.http import QueryDict
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from knox.models import get_token_model
from knox.settings import knox_settings
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from predictions.api import schema
from predictions.api.authentication import PasswordAuthentication, TokenAuthentication
from predictions.api.content import FORMS, WholeBodyMixin

Token = get_token_model()
MAX_DAYS = 3650


class NameField(serializers.CharField):
    """Any text; what of it nobody can see is left out."""

    def to_internal_value(self, data) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return Token.printable_name(data)


class DaysField(serializers.IntegerField):
    """A number; only a form, which knows nothing else, may send it as a text."""

    def to_internal_value(self, data) -> int:
        if isinstance(data, str) and not self.context["is_form"]:
            self.fail("invalid")
        return super().to_internal_value(data)


class NewTokenSerializer(serializers.Serializer):
    name = NameField(
        default="",
        allow_blank=True,
        max_length=Token._meta.get_field("name").max_length,
        help_text="By which you tell it from others on your account page.",
    )
    scope = serializers.ChoiceField(
        Token.Scope.choices,
        default=Token.Scope.WRITE.value,
        help_text="`read` may look; `write` may send, change and delete, too.",
    )
    days = DaysField(
        default=knox_settings.TOKEN_TTL.days,
        min_value=1,
        max_value=MAX_DAYS,
        help_text="After which it expires.",
    )


class TokenSerializer(serializers.Serializer):
    token = serializers.CharField(help_text="Shown only this once.")
    name = serializers.CharField()
    scope = serializers.ChoiceField(Token.Scope.choices)
    expiry = serializers.DateTimeField()


class TokenView(WholeBodyMixin, APIView):
    # Not by scope: whoever gets a token has none yet, and every token can be given back.
    permission_classes = (IsAuthenticated,)
    parser_classes = FORMS

    def get_authenticators(self):
        is_post = self.request is not None and self.request.method == "POST"
        return [PasswordAuthentication() if is_post else TokenAuthentication()]

    @extend_schema(
        summary="Get a token",
        request={"application/json": NewTokenSerializer},
        auth=[{"password": []}],
        responses={
            201: TokenSerializer,
            **schema.problems(
                *("invalid_input", "parse_error", *schema.CREDENTIALS),
                *("email_not_verified", "second_factor_required", "too_many_tokens"),
                *("request_too_large", "unsupported_media_type"),
            ),
        },
        examples=[
            OpenApiExample(
                "a script that only reads",
                {"name": "notebook", "scope": "read", "days": 30},
                request_only=True,
            ),
            OpenApiExample(
                "a new token",
                {
                    "token": "7d9c1f0ab3e8542c" * 4,
                    "name": "notebook",
                    "scope": "read",
                    "expiry": "2026-12-22T10:15:00.120000Z",
                },
                response_only=True,
            ),
        ],
    )
    def post(self, request):
        """Name and password by basic authentication; the token is shown this one time.

        The body may be left out, and a form will do as well as JSON. Who has a second factor
        creates tokens on the account page instead.
        """
        is_form = isinstance(request.data, QueryDict)
        form = NewTokenSerializer(
            data=request.data.dict() if is_form else request.data, context={"is_form": is_form}
        )
        form.is_valid(raise_exception=True)
        lifetime = timedelta(days=form.validated_data.pop("days"))
        try:
            row, token = Token.objects.issue(request.user, lifetime=lifetime, **form.validated_data)
        except Token.LimitReached as error:
            _, detail = schema.ERRORS["too_many_tokens"]
            raise PermissionDenied(detail, "too_many_tokens") from error
        row.token = token
        return Response(
            TokenSerializer(row).data,
            status.HTTP_201_CREATED,
            headers={"Cache-Control": "no-store"},
        )

    @extend_schema(
        summary="Give the token back that this request carries",
        auth=[{"token": []}],
        responses={
            204: OpenApiResponse(description="Gone."),
            **schema.problems(*schema.CREDENTIALS),
        },
    )
    def delete(self, request):
        request.auth.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
