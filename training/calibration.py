"""Logits and labels -> what makes probabilities mean what they say."""

import torch
from torch import nn

from mlcore.labels import LABELS


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
