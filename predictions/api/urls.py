"""Addresses of the API, version 1."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from predictions.api.public import (
    DemoImageViewSet,
    DocsView,
    ModelView,
    SchemaView,
    UnknownAddress,
)
from predictions.api.reports import ExportView, InsightsView
from predictions.api.tokens import TokenView
from predictions.api.views import PredictionViewSet

router = SimpleRouter(use_regex_path=False)
router.register("predictions", PredictionViewSet, "prediction")
router.register("demo-images", DemoImageViewSet, "demo-image")

app_name = "api"
urlpatterns = [
    path("auth/token/", TokenView.as_view(), name="token"),
    *router.urls,
    path("model/", ModelView.as_view(), name="model"),
    path("insights/", InsightsView.as_view(), name="insights"),
    path("export/", ExportView.as_view(), name="export"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path("", UnknownAddress.as_view()),
]
