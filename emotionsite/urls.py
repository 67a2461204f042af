"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from emotionsite.health import healthz, readyz

handler500 = "predictions.unavailable.handler500"

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path(
        "robots.txt",
        TemplateView.as_view(template_name="robots.txt", content_type="text/plain"),
        name="robots",
    ),
    path("accounts/", include("allauth.urls")),
    path("account/webhooks/", include("predictions.webhooks.urls")),
    path("account/", include("emotionsite.accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("predictions.api.urls")),
    path("", include("predictions.pages.urls")),
]
