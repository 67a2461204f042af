"""Addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from emotionsite.health import healthz, readyz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("accounts/", include("allauth.urls")),
    path("account/webhooks/", include("predictions.webhooks.urls")),
    path("account/", include("emotionsite.accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("predictions.api.urls")),
    path("", include("predictions.pages.urls")),
]
