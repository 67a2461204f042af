"""Addresses of the account pages."""

from django.urls import path

from emotionsite.accounts import privacy, views

urlpatterns = [
    path("", views.account, name="account"),
    path("tokens/", views.tokens, name="account-tokens"),
    path("tokens/<slug:key>/revoke/", views.revoke_token, name="token-revoke"),
    path("privacy/", privacy.privacy, name="account-privacy"),
    path("download/", privacy.download, name="account-download"),
    path("erase/", privacy.erase_photos, name="account-erase"),
    path("delete/", privacy.delete_account, name="account-delete"),
    path("receipt/", privacy.receipt, name="erasure-receipt"),
]
