"""Probabilities are made to mean what they say."""

import pytest
import torch

from training.calibration import cross_validate, fit_calibration


@pytest.fixture(scope="module")
def answers():
    """Return logits, and labels drawn from them with other biases and a temperature of 2."""
    random = torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(20_000, 7, generator=random)
    biases = torch.tensor([-0.9, 0.6, 0.3, 0.0, 0.0, -0.3, 0.3])
    odds = ((logits + biases) / 2).softmax(1)
    return logits, torch.multinomial(odds, 1, generator=random)[:, 0], biases


def test_the_fit_finds_the_temperature_and_the_biases_that_labels_were_drawn_with(answers):
    logits, labels, biases = answers
    temperature, found = fit_calibration(logits, labels)
    assert temperature == pytest.approx(2, abs=0.06)
    assert found == pytest.approx(biases.tolist(), abs=0.15)


def test_on_average_a_label_is_said_to_be_as_likely_as_it_is(answers):
    logits, labels, _ = answers
    shares = torch.bincount(labels).numpy() / len(labels)
    temperature, biases = fit_calibration(logits, labels)
    said = ((logits + torch.tensor(biases)) / temperature).softmax(1).mean(0)
    before = (logits / temperature).softmax(1).mean(0)
    assert said.numpy() == pytest.approx(shares, abs=1e-3)
    assert before.numpy() != pytest.approx(shares, abs=0.03)


def figures_of(logits, labels):
    right = (logits.argmax(1) == labels).double()
    recall = torch.stack([right[labels == label].mean() for label in range(7)]).mean()
    return {"accuracy": right.mean().item(), "macro_recall": recall.item()}


def test_cross_validation_tells_what_biases_give(answers):
    logits, labels, biases = answers
    told = cross_validate(logits, labels)
    without, with_biases = figures_of(logits, labels), figures_of(logits + biases, labels)
    assert with_biases["accuracy"] > without["accuracy"] + 0.005
    assert told["without_biases"] == pytest.approx(without, abs=1e-4)
    assert told["with_biases"] == pytest.approx(with_biases, abs=0.004)


def test_cross_validation_does_not_count_what_was_learned_by_heart():
    random = torch.Generator().manual_seed(6)
    logits, labels = torch.randn(210, 7, generator=random), torch.arange(210) % 7
    logits[range(210), labels] += 0.5
    biases = torch.tensor(fit_calibration(logits, labels)[1])
    told = cross_validate(logits, labels)["with_biases"]["accuracy"]
    assert told < figures_of(logits + biases, labels)["accuracy"]
