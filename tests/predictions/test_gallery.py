"""The pictures that a new site starts with."""

import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from predictions.models import DemoImage, Prediction, Status
from tests.support import steps

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def folder(tmp_path_factory, make_image) -> Path:
    """A small starting gallery of two pictures."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "first.jpg").write_bytes(make_image(size=(60, 50)))
    (folder / "second.png").write_bytes(make_image("PNG", size=(50, 60)))
    write(folder, "first.jpg", "second.png")
    return folder


def write(folder: Path, *files: str, **changes: str) -> None:
    entry = {
        "title": '"Title"',
        "caption": '"Caption."',
        "credit": '"Us"',
        "licence": '"MIT"',
        "source": '"Made for this"',
        "expected": '"happy"',
        **changes,
    }
    lines = []
    for order, file in enumerate(files, start=1):
        lines += ["[[image]]", f'file = "{file}"', f"order = {order}"]
        lines += [f"{key} = {value}" for key, value in entry.items()]
    (folder / "gallery.toml").write_text("\n".join(lines))


def load(folder: Path, capsys) -> str:
    """Run the command; return what it complains about."""
    call_command("load_demo_gallery", folder=folder)
    return capsys.readouterr().err


def test_shipped_gallery_loads_whole(capsys):
    call_command("load_demo_gallery")
    output = capsys.readouterr()
    count = DemoImage.objects.count()
    assert count >= 8
    assert output.out == f"{count} pictures were added to the demo gallery.\n"
    assert output.err == ""
    for image in DemoImage.objects.all():
        assert image.is_published
        assert image.credit
        assert image.licence
        assert image.caption
        assert image.prediction.status == Status.QUEUED


def test_loading_again_adds_nothing(folder, capsys, stored_files):
    assert load(folder, capsys) == ""
    files = stored_files()
    assert load(folder, capsys) == ""
    assert DemoImage.objects.count() == 2
    assert stored_files() == files
    assert sorted(path.name for path in folder.iterdir()) == [
        "first.jpg",
        "gallery.toml",
        "second.png",
    ]


def test_what_an_admin_did_stays(folder, capsys):
    load(folder, capsys)
    DemoImage.objects.get(slug="first").delete()
    DemoImage.objects.filter(slug="second").update(title="Mine", is_published=False)
    assert load(folder, capsys) == ""
    (image,) = DemoImage.objects.all()
    assert (image.slug, image.title, image.is_published) == ("second", "Mine", False)


def test_a_later_version_may_bring_more(folder, capsys, make_image):
    load(folder, capsys)
    (folder / "third.jpg").write_bytes(make_image(size=(70, 70)))
    write(folder, "first.jpg", "second.png", "third.jpg")
    load(folder, capsys)
    assert [image.slug for image in DemoImage.objects.all()] == ["first", "second", "third"]


def test_pictures_wait_for_the_broker(folder, capsys, redis_server):
    redis_server.stop()
    assert load(folder, capsys) == ""
    assert Prediction.objects.filter(status=Status.QUEUED, turn__isnull=False).count() == 2
    for prediction in Prediction.objects.all():
        steps.analyse(prediction.pk)
    assert DemoImage.objects.published().count() == 2


def test_bad_picture_is_named_and_the_others_are_loaded(folder, capsys, stored_files):
    (folder / "first.jpg").write_text("no picture")
    complaint = load(folder, capsys)
    assert complaint.startswith("first.jpg was left out of the demo gallery: This is not a picture")
    assert [image.slug for image in DemoImage.objects.all()] == ["second"]
    assert len(stored_files()) == 1


def test_mended_picture_is_loaded_the_next_time(folder, capsys, make_image):
    (folder / "first.jpg").unlink()
    assert "No such file" in load(folder, capsys)
    (folder / "first.jpg").write_bytes(make_image())
    assert load(folder, capsys) == ""
    assert DemoImage.objects.count() == 2


@pytest.mark.parametrize("text", ["", "[[image]]\nfile = 'x.jpg'", "image = 3", "not toml", None])
def test_bad_folder_is_explained_and_is_no_failure(text, folder, capsys):
    if text is None:
        shutil.rmtree(folder)
    else:
        (folder / "gallery.toml").write_text(text)
    assert load(folder, capsys).startswith("The demo gallery was not loaded: ")
    assert not DemoImage.objects.exists()


@pytest.mark.parametrize("change", [{"expected": '"hungry"'}, {"title": '""'}])
def test_bad_text_is_named(change, folder, capsys):
    write(folder, "first.jpg", **change)
    assert "first.jpg was left out" in load(folder, capsys)
    assert not DemoImage.objects.exists()
