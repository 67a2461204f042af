"""The same files in an object store, with a server that speaks S3."""

import io
import logging
import uuid
from collections import Counter
from datetime import timedelta

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from moto.server import ThreadedMotoServer

from predictions.files import (
    OrphanRemover,
    StorageUnavailable,
    delete_files,
    open_file,
    remove_temporary_files,
    save,
)
from predictions.listing import PAGE_SIZE, pages
from predictions.models import Photo

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["", "some/prefix"])
def bucket(request, server, settings, monkeypatch):
    """An empty bucket that is the site's storage, with and without a prefix."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", server),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    bucket = boto3.resource("s3").create_bucket(Bucket=name)
    media = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {"bucket_name": name, "location": request.param, "file_overwrite": True},
    }
    settings.STORAGES = {**settings.STORAGES, "default": media}
    yield bucket
    bucket.objects.delete()


@pytest.fixture
def photo() -> Photo:
    return Photo(name="a.jpg", sha256="0" * 64, bytes=6, width=60, height=60)


def put(kind: str = "upload") -> str:
    key = uuid.uuid4().hex
    return default_storage.save(f"photos/{key[:2]}/{key}/{kind}", ContentFile(b"pixels"))


def remover(**options) -> OrphanRemover:
    waits = dict.fromkeys(("age", "confirm_after", "pass_interval"), timedelta(0))
    return OrphanRemover(**{**waits, **options})


def names(bucket) -> set[str]:
    prefix = f"{default_storage.location}/".lstrip("/")
    return {item.key.removeprefix(prefix) for item in bucket.objects.all()}


def test_files_without_a_row_go_and_all_others_stay(bucket, photo):
    save(photo.upload, "upload", ContentFile(b"pixels"))
    photo.save()
    orphans = [put(), put("display-0a1b.jpg")]
    foreign = default_storage.save("photos/aa/notes.txt", ContentFile(b"not ours"))
    runs = remover()
    assert [runs.run(), runs.run()] == [0, len(orphans)]
    assert names(bucket) == {photo.upload.name, foreign}


def test_a_young_file_stays(bucket):
    name = put()
    runs = remover(age=timedelta(minutes=1))
    assert [runs.run(), runs.run()] == [0, 0]
    assert names(bucket) == {name}


@pytest.mark.parametrize("bucket", ["some/prefix"], indirect=True)
def test_a_page_of_a_thousand_takes_one_request_and_the_next_run_continues(bucket):
    client = bucket.meta.client
    prefix = f"{default_storage.location}/".lstrip("/")
    keys = sorted(uuid.uuid4().hex for _ in range(PAGE_SIZE + 300))
    for key in keys:
        client.put_object(
            Bucket=bucket.name, Key=f"{prefix}photos/{key[:2]}/{key}/upload", Body=b"x"
        )
    requests = Counter()
    events = default_storage.connection.meta.client.meta.events
    events.register("before-call.s3", lambda model, **_kwargs: requests.update([model.name]))
    listed = list(pages(default_storage, "photos"))
    assert [len(page.files) for page in listed] == [1000, 300]
    assert requests == {"ListObjects": 2}
    assert all(changed > 1_000_000_000 for changed in listed[0].files.values())
    (rest,) = pages(default_storage, "photos", listed[0].cursor)
    assert rest.files == listed[1].files
    runs = remover(time_budget=timedelta(0))
    removed = [runs.run()]
    assert not runs.is_between_passes
    while names(bucket):
        removed.append(runs.run())
        assert len(removed) < 10
    assert sum(removed) == len(keys)
    assert requests["DeleteObjects"] == 3
    assert not requests["DeleteObject"]


def test_a_saved_file_is_read_again_and_one_that_is_gone_is_missing(bucket, photo):
    save(photo.upload, "upload", ContentFile(b"pixels"))
    with open_file(photo.upload) as file:
        assert file.read() == b"pixels"
    delete_files([photo.upload.name, photo.upload.name, "photos/aa/bb/never"])
    assert names(bucket) == set()
    with pytest.raises(FileNotFoundError):
        open_file(photo.upload)


def test_a_store_that_does_not_answer_is_storage_unavailable(bucket, photo, monkeypatch):
    def fail(*_args, **_kwargs):
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    client = default_storage.connection.meta.client
    monkeypatch.setattr(client, "_make_api_call", fail)
    monkeypatch.setattr(default_storage.bucket.meta.client, "_make_api_call", fail)
    with pytest.raises(StorageUnavailable):
        save(photo.upload, "upload", ContentFile(b"pixels"))
    assert not photo.upload
    photo.upload = "photos/aa/bb/upload"
    with pytest.raises(StorageUnavailable):
        open_file(photo.upload)
    delete_files(["photos/aa/bb/upload"])


def test_a_bucket_that_is_gone_is_storage_unavailable(bucket, photo):
    bucket.delete()
    with pytest.raises(StorageUnavailable):
        save(photo.upload, "upload", ContentFile(b"pixels"))
    bucket.create()


def test_parts_of_an_upload_that_broke_off_are_removed(bucket, monkeypatch):
    client, name = bucket.meta.client, put()
    key = f"{default_storage.location}/{name}".lstrip("/")
    upload = client.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    part = {"Bucket": bucket.name, "Key": key, "UploadId": upload, "PartNumber": 1}
    client.upload_part(**part, Body=io.BytesIO(bytes(100)))
    # The server of the tests gives every such upload the same time, long ago.
    with monkeypatch.context() as patch:
        patch.setattr("predictions.files.TEMPORARY_AGE", timedelta(days=20_000))
        assert remove_temporary_files() == 0
    assert remove_temporary_files() == 1
    assert not client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")
    assert names(bucket) == {name}
