"""What everybody may read: the gallery, the network, the description of the API."""

from functools import cache

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from mlcore.labels import LABELS
from mlcore.model_info import read_model_info
from predictions.api import examples, schema
from predictions.api.content import JPEGRenderer
from predictions.api.serializers import DemoImageSerializer, ModelSerializer
from predictions.models import DemoImage
from predictions.pictures import demo_picture

PICTURE = {(200, "image/jpeg"): OpenApiTypes.BINARY, **schema.problems("not_found")}


class Public:
    """Open to all; credentials, right or wrong, make no difference."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


@extend_schema_view(
    list=extend_schema(
        summary="The public gallery",
        responses={
            200: schema.example(DemoImageSerializer(many=True), "gallery", examples.DEMO_IMAGE),
            **schema.problems(),
        },
    )
)
class DemoImageViewSet(Public, ListModelMixin, GenericViewSet):
    serializer_class = DemoImageSerializer
    filter_backends = ()
    pagination_class = None
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self):
        return DemoImage.objects.published().prefetch_related("prediction__faces")

    @extend_schema(summary="A picture of the gallery", responses=PICTURE)
    @action(detail=True, renderer_classes=[JPEGRenderer])
    def image(self, request, slug):
        return demo_picture(request, slug=slug, kind="image")

    @extend_schema(summary="A picture of the gallery, small", responses=PICTURE)
    @action(detail=True, renderer_classes=[JPEGRenderer])
    def thumbnail(self, request, slug):
        return demo_picture(request, slug=slug, kind="thumbnail")


class ModelView(Public, APIView):
    @extend_schema(
        summary="The network and how well it was measured to do",
        parameters=[schema.IF_NONE_MATCH, schema.ETAG],
        responses={
            200: schema.example(ModelSerializer, "network", examples.MODEL),
            304: schema.NOT_MODIFIED,
            **schema.problems("model_unavailable"),
        },
    )
    @method_decorator(conditional_page)
    def get(self, request):
        info = read_model_info(settings.MODEL_PATH)
        return Response(ModelSerializer({**vars(info), "labels": LABELS}).data)


class FormatNegotiation(DefaultContentNegotiation):
    """``?format=json`` or ``yaml`` chooses, as an Accept header does."""

    def select_renderer(self, request, renderers, format_suffix=None):
        chosen = format_suffix or request.query_params.get("format")
        return super().select_renderer(request, renderers, chosen)


@cache
def _description() -> dict:
    return SchemaGenerator().get_schema(public=True)


class OnceGenerator(SchemaGenerator):
    """Describes the API once a process: it takes a second, and is the same for everybody."""

    def get_schema(self, request=None, public=False) -> dict:
        return _description()


class SchemaView(Public, SpectacularAPIView):
    content_negotiation_class = FormatNegotiation
    generator_class = OnceGenerator


class DocsView(Public, SpectacularSwaggerSplitView):
    """Swagger UI; its page and its start-up script come apart, as our CSP wants it."""

    url_name = "api:schema"
    template_name = "api/docs.html"


@extend_schema(exclude=True)
class UnknownAddress(Public, APIView):
    """Answers every address of the API that leads nowhere, whatever the method."""

    def initial(self, request, *args, **kwargs):
        self.check_throttles(request)
        hint = "" if request.path.endswith("/") else " Addresses of this API end with a slash."
        raise NotFound(f"There is no such address.{hint}")
