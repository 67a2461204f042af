"""Addresses of the API."""

urlpatterns = []
