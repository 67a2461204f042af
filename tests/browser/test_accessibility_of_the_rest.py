"""Under axe-core, too: the pages of staff, and those that only a form or a mishap leads to.

A file of its own, so that two processes share what takes longest of all tests in a browser.
"""

from functools import partial
from itertools import chain

import pytest

from tests.support.accessibility import faults_everywhere, visit


def show(browser, live_server, answers):
    """Yield (page, name) of answers that have no address: each is shown under one made up."""
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce")
    page = context.new_page()
    page.route("**/*", hold)
    for name, response in answers:
        address = f"{live_server.url}/{name.strip('/').replace(' ', '-')}/"
        page.route(address, partial(fulfil, body=response.content.decode()))
        page.goto(address)
        yield page, name
    context.close()


def hold(route) -> None:
    """Never answer what a page asks for by itself, which nobody is logged in for."""
    if "hx-request" not in route.request.headers:
        route.continue_()


def fulfil(route, body: str) -> None:
    route.fulfill(body=body, content_type="text/html; charset=utf-8")


@pytest.mark.usefixtures("transactional_db", "redis_server", "static_files", "nobody_else_works")
def test_axe_finds_nothing_on_the_other_pages(
    browser, live_server, astronaut, make_image, monkeypatch
):
    from tests.support.places import answers, furnish

    *_users, staff = furnish(astronaut, make_image)
    by_address = visit(browser, live_server.url, [staff])
    by_form = show(browser, live_server, answers(monkeypatch))
    problems = [
        problem
        for page, name in chain(by_address, by_form)
        for problem in faults_everywhere(page, name)
    ]
    assert not problems, "\n".join(problems)
