"""What only the real web server shows: it drops a connection on which a body was left unread."""

import http.client
import json
import time
from contextlib import closing

from knox.models import get_token_model

from predictions.models import Photo
from tests.support.api import PREDICTIONS


def test_who_sends_too_much_hears_why(web, owner):
    _, right = get_token_model().objects.create(owner)
    start = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
    photo = start + bytes(30 * 1024 * 1024) + b"\r\n--b--\r\n"
    for token, status in ((right, 413), ("wrong", 401)):
        headers = {
            "Authorization": f"Token {token}",
            "Content-Type": "multipart/form-data; boundary=b",
        }
        connection = http.client.HTTPConnection(*web, timeout=60)
        connection.request("POST", PREDICTIONS, photo, headers)
        with closing(connection), connection.getresponse() as response:
            assert response.status == status
            assert json.load(response)["status"] == status
    assert not Photo.objects.exists()


def test_who_never_sends_the_rest_is_not_waited_for(web, owner):
    connection = http.client.HTTPConnection(*web, timeout=30)
    connection.putrequest("POST", PREDICTIONS)
    connection.putheader("Content-Length", "1000000")
    connection.putheader("Content-Type", "multipart/form-data; boundary=b")
    connection.endheaders()
    started = time.monotonic()
    with closing(connection), connection.getresponse() as response:
        assert response.status == 401
    assert time.monotonic() - started < 15
