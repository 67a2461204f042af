"""Addresses of the account page."""

from django.urls import path

from emotionsite.accounts import views

urlpatterns = [
    path("", views.account, name="account"),
    path("tokens/", views.create_token, name="token-create"),
    path("tokens/<str:key>/revoke/", views.revoke_token, name="token-revoke"),
    path("delete/", views.delete_account, name="account-delete"),
]
