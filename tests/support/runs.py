"""Stopping a training run where one wants, and comparing what runs leave."""

import signal

import torch

from training.run import StopSignal


class StopAfter(StopSignal):
    """Asks to stop when it has been looked at so many times: once before every step."""

    def __init__(self, looks):
        self.looks = looks

    @property
    def number(self):
        self.looks -= 1
        return signal.SIGINT if self.looks < 0 else 0


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other
