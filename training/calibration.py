"""Logits and labels -> what makes probabilities mean what they say."""

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from mlcore.labels import LABELS

HEAD_BIAS = "linear.bias"
"""Name of the (7,) float32 that an exported network adds last."""


def fit(logits: torch.Tensor, labels: torch.Tensor) -> tuple[float, list[float]]:
    """Return the temperature and the 7 biases for which the cross entropy of
    softmax((logits + biases) / temperature) is least, for (N, 7) logits and (N,) labels.

    That is the bias-corrected temperature scaling of Alexandari et al. (2020): FER+'s taggers see
    less fear and less disgust in the same faces than FER2013's labels do, and a network taught by
    both answers in between. The biases are in units of logits, and sum to 0.
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


def add_to_logits(model: onnx.ModelProto, biases: list[float]) -> None:
    """Add 7 biases to what an exported network answers, in its file."""
    (constant,) = (each for each in model.graph.initializer if each.name == HEAD_BIAS)
    shifted = numpy_helper.to_array(constant) + np.array(biases, np.float32)
    constant.CopyFrom(numpy_helper.from_array(shifted, HEAD_BIAS))
