"""Convolutions with fewer multiplications, for learning in float32 on a CPU."""

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

KERNEL = 3
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)
"""Where the polynomials are evaluated: the first tile + 1 of these, and infinity."""

TILES = (2, 4, 5)
"""Sides in pixels of the squares that are computed at once; with larger ones float32 errs more."""

FEWEST_CHANNELS = 128
"""With fewer, taking the squares apart and together takes the time that is saved."""


@cache
def transforms(tile: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what turns products, kernels and inputs: (t², n²), (n², 9) and (n², n²) float32.

    They are the Kronecker squares of the matrices A^T, G and B^T of Cook & Toom's algorithm for
    ``tile`` results and n = tile + 2 points (Lavin & Gray, 2016).
    """
    size = tile + KERNEL - 1
    points = POINTS[: size - 1]
    products, kernels, inputs = (np.zeros((rows, size)) for rows in (tile, KERNEL, size))
    for index, point in enumerate(points):
        others = [other for other in points if other != point]
        products[:, index] = point ** np.arange(tile)
        kernels[:, index] = point ** np.arange(KERNEL) / np.prod(np.subtract(point, others))
        inputs[: size - 1, index] = np.poly(others)[::-1]
    products[-1, -1] = kernels[-1, -1] = 1.0
    inputs[:, -1] = np.poly(points)[::-1]
    return tuple(
        torch.from_numpy(np.kron(matrix, matrix)).float()
        for matrix in (products, kernels.T, inputs.T)
    )


def best_tile(side: int) -> int:
    """Return the side of the squares that takes the fewest products for a square plane of a side
    in pixels."""
    return min(TILES, key=lambda tile: (-(-side // tile) * (tile + KERNEL - 1)) ** 2)


class _Convolution(torch.autograd.Function):
    """(N, C, H, W) values and a (K, C, 3, 3) kernel -> (N, K, H, W), as with a padding of 1.

    Everything between is laid out as (points, squares, channels), so that what remains of the
    convolution, forwards and backwards, is one product of matrices for each of the points.
    """

    @staticmethod
    def forward(ctx, values: torch.Tensor, kernel: torch.Tensor, tile: int) -> torch.Tensor:
        products, kernels, inputs = transforms(tile)
        images, channels, height, width = values.shape
        size, outputs = tile + KERNEL - 1, len(kernel)
        down, across = -(-height // tile), -(-width // tile)
        padded = values.new_zeros(images, down * tile + 2, across * tile + 2, channels)
        padded[:, 1 : height + 1, 1 : width + 1] = values.permute(0, 2, 3, 1)
        image, row, column, _ = padded.stride()
        squares = padded.as_strided(
            (size, size, images, down, across, channels),
            (row, column, image, row * tile, column * tile, 1),
        )
        seen = inputs.mm(squares.reshape(size * size, -1)).view(size * size, -1, channels)
        weights = kernels.mm(kernel.permute(2, 3, 1, 0).reshape(KERNEL * KERNEL, -1))
        weights = weights.view(size * size, channels, outputs)
        result = products.mm(seen.bmm(weights).view(size * size, -1))
        result = result.view(tile, tile, images, down, across, outputs).permute(2, 3, 0, 4, 1, 5)
        result = result.reshape(images, down * tile, across * tile, outputs)
        ctx.save_for_backward(seen, weights)
        ctx.shape, ctx.tile = values.shape, tile
        return result[:, :height, :width].contiguous().permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        seen, weights = ctx.saved_tensors
        images, channels, height, width = ctx.shape
        tile, outputs = ctx.tile, weights.shape[2]
        products, kernels, inputs = transforms(tile)
        size, down, across = tile + KERNEL - 1, -(-height // tile), -(-width // tile)
        padded = gradient.new_zeros(images, down * tile, across * tile, outputs)
        padded[:, :height, :width] = gradient.permute(0, 2, 3, 1)
        padded = padded.view(images, down, tile, across, tile, outputs).permute(2, 4, 0, 1, 3, 5)
        wanted = products.t().mm(padded.reshape(tile * tile, -1)).view(size * size, -1, outputs)
        to_values = to_kernel = None
        if ctx.needs_input_grad[1]:
            to_kernel = kernels.t().mm(seen.transpose(1, 2).bmm(wanted).view(size * size, -1))
            to_kernel = to_kernel.view(KERNEL, KERNEL, channels, outputs).permute(3, 2, 0, 1)
            to_kernel = to_kernel.contiguous(memory_format=torch.channels_last)
        if ctx.needs_input_grad[0]:
            squares = inputs.t().mm(wanted.bmm(weights.transpose(1, 2)).view(size * size, -1))
            squares = squares.view(size, size, images, down, across, channels)
            whole = gradient.new_zeros(images, down + 1, tile, across + 1, tile, channels)
            # Neighbouring squares share the two rows and columns by which they are larger.
            parts = whole.permute(2, 4, 0, 1, 3, 5)
            parts[:, :, :, :down, :across] = squares[:tile, :tile]
            parts[:, :2, :, :down, 1:] += squares[:tile, tile:]
            parts[:2, :, :, 1:, :across] += squares[tile:, :tile]
            parts[:2, :2, :, 1:, 1:] += squares[tile:, tile:]
            whole = whole.view(images, (down + 1) * tile, (across + 1) * tile, channels)
            to_values = whole[:, 1 : height + 1, 1 : width + 1].contiguous().permute(0, 3, 1, 2)
        return to_values, to_kernel, None


class WinogradConv2d(nn.Conv2d):
    """A 3 × 3 convolution with a padding of 1 whose learning steps take fewer multiplications.

    Under ``torch.no_grad`` and under autocast it is computed as usual. Else results differ by
    rounding, by some 1e-5 of the largest.
    """

    def _conv_forward(
        self, values: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if not torch.is_grad_enabled() or torch.is_autocast_enabled(values.device.type):
            return super()._conv_forward(values, kernel, bias)
        result = _Convolution.apply(values, kernel, best_tile(max(values.shape[2:])))
        return result if bias is None else result + bias.view(1, -1, 1, 1)


def _fits(convolution: nn.Conv2d) -> bool:
    return (
        (convolution.kernel_size, convolution.padding) == ((KERNEL, KERNEL), (1, 1))
        and convolution.stride == convolution.dilation == (1, 1)
        and (convolution.groups, convolution.padding_mode) == (1, "zeros")
    )


def use_winograd(network: nn.Module) -> nn.Module:
    """Let a network's wide 3 × 3 convolutions be WinogradConv2d, with the weights they have."""
    for module in network.modules():
        if type(module) is nn.Conv2d and module.in_channels >= FEWEST_CHANNELS and _fits(module):
            module.__class__ = WinogradConv2d
    return network
