"""Visits of users who are logged in already."""

from django.test import Client


def session(user, address: str) -> dict:
    """Return the cookie of a session of this user, as Playwright takes it."""
    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}
