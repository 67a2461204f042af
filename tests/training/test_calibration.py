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


def share_right(logits, labels):
    return (logits.argmax(1) == labels).double().mean().item()


def test_cross_validation_tells_what_biases_give(answers):
    logits, labels, biases = answers
    told = cross_validate(logits, labels)
    without, with_biases = share_right(logits, labels), share_right(logits + biases, labels)
    assert with_biases > without + 0.005
    assert told["without_biases"]["accuracy"] == pytest.approx(without, abs=1e-4)
    assert told["with_biases"]["accuracy"] == pytest.approx(with_biases, abs=0.002)


def test_cross_validation_does_not_count_what_was_learned_by_heart():
    random = torch.Generator().manual_seed(6)
    logits = torch.randn(210, 7, generator=random)
    labels = torch.randint(0, 7, (210,), generator=random)
    by_heart = share_right(logits + torch.tensor(fit_calibration(logits, labels)[1]), labels)
    assert cross_validate(logits, labels)["with_biases"]["accuracy"] < by_heart - 0.01
