"""Addresses of the webhook pages."""

from django.urls import path

from predictions.webhooks import views

urlpatterns = [
    path("", views.webhooks, name="webhook-list"),
    path("<uuid:pk>/", views.detail, name="webhook-detail"),
    path("<uuid:pk>/switch/", views.switch, name="webhook-switch"),
    path("<uuid:pk>/delete/", views.delete, name="webhook-delete"),
    path("<uuid:pk>/test/", views.test, name="webhook-test"),
    path(
        "<uuid:pk>/deliveries/<uuid:delivery_pk>/send-again/",
        views.send_again,
        name="webhook-send-again",
    ),
]
