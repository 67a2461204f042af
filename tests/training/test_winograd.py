"""Convolutions with fewer multiplications: the same results, forwards and backwards."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from training.model import EmotionVGG
from training.winograd import (
    FEWEST_CHANNELS,
    TILES,
    WinogradConv2d,
    best_tile,
    transforms,
    use_winograd,
)

WIDE = FEWEST_CHANNELS


@pytest.fixture
def plain():
    torch.manual_seed(7)
    return nn.Conv2d(WIDE, 24, 3, padding=1).to(memory_format=torch.channels_last)


@pytest.fixture
def quick(plain):
    return use_winograd(copy.deepcopy(plain))


def largest_error(found, wanted):
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


@pytest.mark.parametrize("tile", TILES)
def test_the_transforms_are_exact(tile):
    products, kernels, inputs = (matrix.double() for matrix in transforms(tile))
    torch.manual_seed(7)
    square, kernel = torch.rand(tile + 2, tile + 2).double(), torch.rand(3, 3).double()
    found = products @ ((kernels @ kernel.flatten()) * (inputs @ square.flatten()))
    wanted = functional.conv2d(square[None, None], kernel[None, None]).flatten()
    assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("side", "tile"), [(2, 2), (5, 5), (11, 4), (4, 4), (9, 5)])
def test_a_plane_is_cut_into_the_squares_that_cost_least(side, tile):
    assert best_tile(side) == tile


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (5, 5), (9, 9), (11, 11), (22, 22), (5, 9)])
def test_results_and_gradients_are_those_of_a_convolution(plain, quick, shape):
    values = torch.rand(3, WIDE, *shape, requires_grad=True)
    wanted, found = plain(values), quick(values)
    gradient = torch.randn_like(wanted)
    pairs = zip(
        (found, *torch.autograd.grad(found, (values, *quick.parameters()), gradient)),
        (wanted, *torch.autograd.grad(wanted, (values, *plain.parameters()), gradient)),
        strict=True,
    )
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert largest_error(ours, theirs) < 1e-4


def test_a_kernel_that_does_not_learn_gets_no_gradient(quick):
    quick.weight.requires_grad_(False)
    values = torch.rand(2, WIDE, 5, 5, requires_grad=True)
    quick(values).sum().backward()
    assert quick.weight.grad is None
    assert values.grad.abs().sum() > 0


def test_values_that_do_not_learn_get_no_gradient(quick):
    values = torch.rand(2, WIDE, 5, 5)
    quick(values).sum().backward()
    assert quick.weight.grad.abs().sum() > 0


def test_what_is_only_looked_at_is_computed_as_usual(plain, quick):
    values = torch.rand(2, WIDE, 5, 5)
    with torch.no_grad():
        assert torch.equal(quick(values), plain(values))


def test_bfloat16_is_computed_as_usual(plain, quick):
    values = torch.rand(2, WIDE, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found, wanted = quick(values), plain(values)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, wanted)


def test_only_wide_convolutions_change_and_weights_stay():
    network = EmotionVGG("vgg11")
    before = copy.deepcopy(network.state_dict())
    use_winograd(network)
    kinds = [type(module) for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert kinds == [nn.Conv2d] * 2 + [WinogradConv2d] * 6
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
