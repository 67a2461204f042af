"""Addresses of the HTML pages."""

from django.urls import path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="home.html"), name="home"),
    path(
        "predictions/<uuid:pk>/",
        TemplateView.as_view(template_name="home.html"),
        name="prediction-detail",
    ),
]
