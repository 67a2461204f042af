"""Every page of visitors and users under axe-core; and what axe cannot see."""

import pytest
from playwright.sync_api import expect

from tests.support.accessibility import faults_everywhere, visit


@pytest.mark.usefixtures("transactional_db", "redis_server", "static_files", "nobody_else_works")
def test_axe_finds_nothing_on_pages_of_users(browser, live_server, astronaut, make_image):
    from tests.support.places import furnish

    *users, _staff = furnish(astronaut, make_image)
    problems = [
        problem
        for page, name in visit(browser, live_server.url, users)
        for problem in faults_everywhere(page, name)
    ]
    assert not problems, "\n".join(problems)


def test_first_tab_leads_to_the_content(page):
    page.goto("/about/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
