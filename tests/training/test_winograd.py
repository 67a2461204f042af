"""Convolutions with fewer multiplications: the same results, forwards and backwards."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.runs import SMOKE
from training.model import EmotionVGG
from training.recipe import load_recipe
from training.run import Run
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


@pytest.mark.parametrize(
    "shape", [(1, 1), (2, 2), (3, 3), (5, 5), (9, 9), (11, 11), (22, 22), (5, 9)]
)
def test_results_and_gradients_are_those_of_a_convolution(plain, quick, shape):
    values = torch.rand(16, WIDE, *shape, requires_grad=True)
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


class Products(TorchDispatchMode):
    """Counts the products of many matrices."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten.bmm.default
        return function(*args, **kwargs or {})


@pytest.mark.parametrize(("values", "kernel", "products"), [(1, 1, 2), (1, 0, 1), (0, 1, 1)])
def test_a_gradient_that_nobody_asks_for_costs_nothing(quick, values, kernel, products):
    inputs = torch.rand(2, WIDE, 5, 5, requires_grad=bool(values))
    quick.weight.requires_grad_(bool(kernel))
    result = quick(inputs).sum()
    with Products() as counted:
        result.backward()
    assert counted.count == products


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


@pytest.mark.parametrize(
    "other",
    [{"kernel_size": 1, "padding": 0}, {"padding": 0}, {"stride": 2}, {"dilation": 2},
     {"groups": 2}, {"padding_mode": "reflect"}],
)  # fmt: skip
def test_other_convolutions_stay_as_they_are(other):
    settings = {"kernel_size": 3, "padding": 1, **other}
    assert type(use_winograd(nn.Conv2d(WIDE, 8, **settings))) is nn.Conv2d


def test_a_run_on_a_cpu_learns_with_them_also_when_it_grew_or_was_resumed(splits, tmp_path):
    recipe = load_recipe(SMOKE)
    run, resumed = (Run(recipe, torch.device("cpu")) for _ in range(2))

    def quick_layers(run):
        networks = run.model, run.average.module
        return [sum(type(m) is WinogradConv2d for m in net.modules()) for net in networks]

    assert quick_layers(run) == [6, 6]
    run.position = 2.0
    run.begin_pass(torch.from_numpy(splits["Training"].images), 3.0)
    assert run.model.depth == "vgg13"
    assert quick_layers(run) == [7, 7]
    run.save(tmp_path / "last.pt")
    resumed.load(tmp_path / "last.pt")
    assert quick_layers(resumed) == [7, 7]


def test_a_run_on_a_gpu_does_without():
    run = Run.__new__(Run)
    run.device, run.recipe = torch.device("cuda"), load_recipe(SMOKE)
    run.adopt(EmotionVGG("vgg11"))
    assert not any(type(module) is WinogradConv2d for module in run.model.modules())
