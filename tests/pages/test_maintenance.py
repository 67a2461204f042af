"""A site that is closed: everybody but the staff is told so, and nothing is taken in."""

import pytest
from django.core.management import call_command
from django.test import Client

from tests.pages.test_markup import check
from tests.support.api import PREDICTIONS, assert_problem, photo, token_client


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def closed():
    from predictions import maintenance

    maintenance.close("New disks. <b>Back</b> at noon.")


@pytest.fixture
def staff(owner):
    owner.is_staff = True
    owner.save()
    return owner


def test_a_site_is_open(client):
    assert client.get("/").status_code == 200
    assert "closed for maintenance" not in client.get("/").content.decode()


@pytest.mark.parametrize("who", ["client", "anonymous_client"])
def test_pages_say_that_the_site_is_closed(who, request, closed, demo):
    browser = request.getfixturevalue(who)
    for page in ("/", "/predictions/", "/gallery/", "/gallery/a-smile/image/", "/account/"):
        response = browser.get(page)
        assert response.status_code == 503, page
        assert response["Retry-After"] == "300"
        assert "no-store" in response["Cache-Control"]
        check(response)
        assert "New disks. &lt;b&gt;Back&lt;/b&gt; at noon." in response.content.decode()


def test_trying_again_leads_to_the_same_page(closed, client):
    page = client.get("/predictions/?emotion=sad&name=a").content.decode()
    assert 'href="/predictions/?emotion=sad&amp;name=a">Try again' in page
    assert 'href="/">Try again' in client.post("/account/erase/").content.decode()


def test_nothing_is_taken_in(client, owner, closed, astronaut):
    assert client.post("/", {"photos": photo(astronaut)}).status_code == 503
    assert_problem(client.post(PREDICTIONS, {"image": photo(astronaut)}), 503, "maintenance")
    assert not owner.predictions.exists()


def test_programs_are_told_when_to_come_back(owner, closed):
    for browser in (token_client(owner), Client()):
        for method in (browser.get, browser.post, browser.options):
            response = method(PREDICTIONS)
            assert_problem(response, 503, "maintenance")
            assert response["Retry-After"] == "300"


def test_what_does_not_need_the_site_answers_on(closed, db):
    from django.templatetags.static import static

    browser = Client()
    for address in ("/healthz", "/robots.txt", "/accounts/login/"):
        assert browser.get(address).status_code == 200, address
    style = browser.get(static("predictions/site.css"))
    assert style.status_code == 200
    style.close()


def test_staff_logs_in_and_sees_the_site_with_a_banner(closed, staff):
    browser = Client()
    login = {"login": staff.username, "password": "correct horse battery"}
    assert browser.post("/accounts/login/", login).status_code == 302
    response = browser.get("/predictions/")
    assert response.status_code == 200
    check(response)
    assert "The site is closed for maintenance" in response.content.decode()
    assert browser.get(PREDICTIONS).status_code == 200


def test_a_token_of_the_staff_is_no_key_to_the_site(closed, staff):
    assert_problem(token_client(staff).get(PREDICTIONS), 503, "maintenance")


@pytest.mark.parametrize("error", ["OperationalError", "InterfaceError"])
def test_a_database_that_is_away_changes_nothing(closed, client, error):
    from django.db import connection, utils

    def away(*arguments):
        raise getattr(utils, error)("the database is being moved")

    with connection.execute_wrapper(away):
        assert client.get("/").status_code == 503
        assert_problem(client.get(PREDICTIONS), 503, "maintenance")


def test_a_touched_file_is_enough(client, data_dir):
    (data_dir / "maintenance").touch()
    assert client.get("/").status_code == 503
    (data_dir / "maintenance").unlink()
    assert client.get("/").status_code == 200


def test_command(client, capsys):
    call_command("maintenance", "on", reason="Back at noon.")
    assert capsys.readouterr().out == "The site is closed. Back at noon.\n"
    assert "Back at noon." in client.get("/").content.decode()
    call_command("maintenance")
    assert "closed" in capsys.readouterr().out
    call_command("maintenance", "off")
    call_command("maintenance", "off")
    assert capsys.readouterr().out == "The site is open.\n" * 2
    assert client.get("/").status_code == 200
