"""What no browser sends is answered like everything else that is wrong."""

import uuid

import pytest


@pytest.mark.parametrize("path", ["//[", "//[/", "//elsewhere.example/", "/\x00"])
def test_paths_that_are_no_part_of_an_address(path, anonymous_client):
    response = anonymous_client.get("/", PATH_INFO=path)
    assert response.status_code == 404
    html = response.content.decode()
    assert 'property="og:url" content="http://testserver/' in html


@pytest.mark.parametrize("referer", ["http://[", "//]["])
def test_a_page_that_is_none_leads_back_to_the_front_page(referer, anonymous_client):
    for ask, address in (
        (anonymous_client.get, f"/predictions/{uuid.uuid4()}/progress/"),
        (anonymous_client.post, "/uploads/"),
    ):
        response = ask(address, headers={"referer": referer})
        assert response["Location"] == "/accounts/login/?next=/"


def test_a_token_that_no_database_could_look_up(client):
    assert client.post("/account/tokens/%00/revoke/").status_code == 404
