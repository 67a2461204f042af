"""The documentation of the API, in a browser: no other host, nothing that the policy stops."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_documentation_lists_the_calls_and_opens_one(page):
    page.goto("/api/v1/docs/")
    create = page.locator("#operations-predictions-predictions_create")
    expect(create).to_contain_text("Send a photo")
    create.get_by_role("button").first.click()
    expect(create).to_contain_text("Preference-Applied")
    expect(page.locator(".opblock")).to_have_count(19)
