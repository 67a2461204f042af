"""How long one step of training takes on this CPU: ``python -m tests.benchmarks.learning_step``.

VGG19 learns from 64 invented faces of 44 pixels in float32, by torch's convolutions and by those of
``training.winograd``, with all groups of convolutions and without the first two. They take turns.
"""

import statistics
import time
from itertools import product

import torch
from torch.nn import functional

from training.model import EmotionVGG
from training.winograd import use_winograd

FACES, SIZE, STEPS, ROUNDS = 64, 44, 3, 5


def step_seconds(winograd: bool, frozen: int) -> list[float]:
    """Return the times of STEPS steps of a new network, after one that is not counted."""
    network = EmotionVGG().to(memory_format=torch.channels_last)
    if winograd:
        use_winograd(network)
    network.freeze(frozen)
    views = torch.rand(FACES, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)
    targets = torch.rand(FACES, 7).softmax(1)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    times = []
    for _ in range(1 + STEPS):
        started = time.perf_counter()
        loss = functional.cross_entropy(network(views), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - started)
    return times[1:]


def main() -> None:
    times: dict[tuple[bool, int], list[float]] = {
        kind: [] for kind in product((False, True), (0, 2))
    }
    for _ in range(ROUNDS):
        for kind, measured in times.items():
            measured.extend(step_seconds(*kind))
    for (winograd, frozen), measured in times.items():
        name = "Winograd's convolutions" if winograd else "torch's convolutions"
        print(f"{name}, {frozen} groups frozen: {statistics.median(measured):.2f} s a step")


if __name__ == "__main__":
    main()
