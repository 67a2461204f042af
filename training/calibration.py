"""Logits and labels -> what makes probabilities mean what they say."""

import numpy as np
import torch
from torch import nn

from mlcore.labels import LABELS
from training.metrics import count_answers, recalls

FOLDS = 10
"""Parts of a split of which each is answered with what was fitted on the others."""

SEED = 2013


def fit_calibration(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, list[float]]:
    """Return the temperature and the 7 biases for which the cross entropy of
    softmax((logits + biases) / temperature) is least, for (N, 7) logits and (N,) labels.

    That is the bias-corrected temperature scaling of Alexandari et al. (2020): as often as a label
    is given, so much probability is said of it on average. The biases are in units of logits and
    sum to 0; both results are rounded to 4 digits. Each label must occur.
    """
    log_temperature = torch.zeros(1, requires_grad=True)
    shift = torch.zeros(len(LABELS), requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [log_temperature, shift], max_iter=100, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(logits / log_temperature.exp() + shift, labels)
        loss.backward()
        return loss

    optimiser.step(closure)
    temperature = log_temperature.detach().exp()
    biases = (shift.detach() - shift.detach().mean()) * temperature
    return round(temperature.item(), 4), [round(value, 4) for value in biases.tolist()]


def cross_validate(logits: torch.Tensor, labels: torch.Tensor) -> dict:
    """Return what biases give faces that they were not fitted on: ``accuracy`` and
    ``macro_recall``, ``without_biases`` and ``with_biases``, for (N, 7) logits and (N,) labels.

    Each label must occur outside of each of FOLDS random parts.
    """
    part = torch.from_numpy(np.random.default_rng(SEED).permutation(len(labels)) % FOLDS)
    moved = logits.clone()
    for number in range(FOLDS):
        _, biases = fit_calibration(logits[part != number], labels[part != number])
        moved[part == number] += torch.tensor(biases)
    told = {}
    for name, values in (("without_biases", logits), ("with_biases", moved)):
        confusion = count_answers(values.argmax(1).numpy(), labels.numpy())
        told[name] = {
            "accuracy": round(float(confusion.trace() / len(labels)), 4),
            "macro_recall": round(float(recalls(confusion).mean()), 4),
        }
    return told
