import numpy as np
import pytest

from mlcore.labels import LABELS
from training.metrics import interval, measure, share_right, sure_threshold


def test_measures_of_a_known_table():
    labels = np.array([0, 0, 1, 3])
    probabilities = np.full((4, 7), 0.02)
    for row, (answer, confidence) in enumerate([(0, 0.88), (1, 0.88), (1, 0.88), (3, 0.88)]):
        probabilities[row, answer] = confidence
    figures = measure(probabilities, labels, unsure_threshold=0.5)
    assert figures["accuracy"] == 0.75
    assert figures["recall"]["angry"] == 0.5
    assert figures["precision"]["disgust"] == 0.5
    # F1 of angry and of disgust is 2/3, of happy 1; nobody was labelled or called the others.
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 7, abs=1e-4)
    assert figures["confusion"][0][:2] == [1, 1]
    assert figures["ece"] == pytest.approx(0.13)
    right, wrong = 0.12**2 + 6 * 0.02**2, 0.88**2 + 0.98**2 + 5 * 0.02**2
    assert figures["brier"] == pytest.approx((3 * right + wrong) / 4, abs=1e-4)
    assert figures["nll"] == pytest.approx(-(3 * np.log(0.88) + np.log(0.02)) / 4, abs=1e-4)
    assert figures["sure_coverage"] == 1
    assert figures["confidence_groups"]["disgust"][2] == {
        "from": 0.7, "to": 0.9, "count": 2, "right": 1,
    }  # fmt: skip
    assert set(figures["recall"]) == set(LABELS)


def test_reliability_bins_hold_every_answer_and_give_the_calibration_error():
    random = np.random.default_rng(3)
    probabilities = random.dirichlet(np.ones(7), 500)
    labels = random.integers(0, 7, 500)
    figures = measure(probabilities, labels, 0.5)
    bins = figures["reliability"]
    assert len(bins) == 15
    assert sum(row["count"] for row in bins) == 500
    assert bins[0] == {"count": 0, "confidence": None, "accuracy": None}
    gaps = [r["count"] * abs(r["confidence"] - r["accuracy"]) for r in bins if r["count"]]
    assert sum(gaps) / 500 == pytest.approx(figures["ece"], abs=1e-3)


def test_accuracy_is_taken_of_the_surest_first():
    probabilities = np.full((10, 7), 0.0)
    probabilities[:, 3] = np.linspace(0.95, 0.55, 10)
    probabilities[:, 0] = 1 - probabilities[:, 3]
    labels = np.array([3] * 5 + [0] * 5)
    curve = measure(probabilities[::-1], labels[::-1], 0.5)["accuracy_at_coverage"]
    assert [row["coverage"] for row in curve] == pytest.approx(np.arange(1, 11) / 10)
    assert [row["accuracy"] for row in curve[:5]] == [1.0] * 5
    assert curve[-1]["accuracy"] == 0.5


def test_the_threshold_keeps_the_wanted_accuracy():
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, False])
    assert sure_threshold(confidence, right, 0.9) == 0.8
    assert sure_threshold(confidence, right, 0.75) == 0.6
    assert sure_threshold(confidence, right, 0.5) == 0.0
    assert sure_threshold(confidence, ~right, 1.1) == 1.0


def test_the_interval_is_wilsons():
    low, high = interval(2598, 3589)
    assert (low, high) == (pytest.approx(0.7090, abs=1e-4), pytest.approx(0.7383, abs=1e-4))


def test_of_no_answers_no_share_is_right():
    assert share_right(np.zeros(0, bool))["accuracy"] is None
