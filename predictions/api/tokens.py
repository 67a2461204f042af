"""Getting and giving back an API token."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from knox.models import get_token_model
from knox.settings import knox_settings
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from predictions.api import schema
from predictions.api.authentication import PasswordAuthentication, TokenAuthentication
from predictions.api.serializers import TokenSerializer


class TokenView(APIView):
    def get_authenticators(self):
        is_post = self.request is not None and self.request.method == "POST"
        return [PasswordAuthentication() if is_post else TokenAuthentication()]

    @extend_schema(
        summary="Get a token",
        request=None,
        auth=[{"password": []}],
        responses={201: TokenSerializer, **schema.problems(401, 403)},
    )
    def post(self, request):
        """Name and password by basic authentication; the token is shown this one time."""
        tokens = get_token_model().objects
        tokens.filter(user=request.user, expiry__lte=timezone.now()).delete()
        if tokens.filter(user=request.user).count() >= knox_settings.TOKEN_LIMIT_PER_USER:
            raise PermissionDenied("You have as many tokens as you may have.", "too_many_tokens")
        row, token = tokens.create(request.user)
        return Response(
            TokenSerializer({"token": token, "expiry": row.expiry}).data,
            status.HTTP_201_CREATED,
            headers={"Cache-Control": "no-store"},
        )

    @extend_schema(
        summary="Give the token back that this request carries",
        auth=[{"token": []}],
        responses={204: OpenApiResponse(description="Gone."), **schema.problems(401)},
    )
    def delete(self, request):
        request.auth.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
