"""Random views of faces, computed for a whole batch at once on the device of the batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

Uniform = Callable[[float, float], torch.Tensor]
"""Draws one number between two for every face of a batch."""

BLUR_SIGMA, BLUR_REACH = (0.3, 1.2), 3
"""In pixels of the face: standard deviations of the blur, and how far its kernel reaches."""


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes; every image draws its own values.

    ``rotation`` in degrees either way; ``scale`` as a factor's (low, high), above 1 is nearer;
    ``shift`` as a share of the side; ``stretch`` as the largest change of aspect ratio;
    ``contrast`` and ``brightness`` as the largest relative and absolute change of 0...1 values;
    ``erasing`` as the probability that a patch of up to 40 % of the side is replaced by noise;
    ``blur`` as the probability that a face is blurred by a Gaussian of up to 1.2 of its 48 pixels.

    With ``ten_crop`` a view is one of the five windows in the corners and the middle of the face,
    or its mirror image, without a change of geometry.
    """

    rotation: float = 12.0
    scale: tuple[float, float] = (0.9, 1.15)
    shift: float = 0.06
    stretch: float = 0.08
    contrast: float = 0.3
    brightness: float = 0.15
    erasing: float = 0.0
    blur: float = 0.0
    ten_crop: bool = False

    def __call__(self, faces: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
        """Turn (N, H, H) faces, values 0...255, into (N, 3, size, size) float32 views, values
        0...1."""
        n, device = len(faces), faces.device

        def uniform(low: float, high: float) -> torch.Tensor:
            return torch.rand(n, generator=generator, device=device) * (high - low) + low

        faces = faces.float() / 255
        if self.blur:
            faces = self._soften(faces, uniform)
        views = (self._crop if self.ten_crop else self._warp)(faces, size, uniform)
        gain = (1 + uniform(-self.contrast, self.contrast)).view(n, 1, 1, 1)
        offset = uniform(-self.brightness, self.brightness).view(n, 1, 1, 1)
        mean = views.mean((1, 2, 3), keepdim=True)
        views = ((views - mean) * gain + mean + offset).clamp(0, 1)
        if self.erasing:
            views = self._erase(views, uniform)
        return views.expand(-1, 3, -1, -1)

    def _soften(self, faces: torch.Tensor, uniform: Uniform) -> torch.Tensor:
        """Blur some of (N, 48, 48) faces, each with a Gaussian of its own, rows and columns apart.

        Photos are soft in many ways: out of focus, moved, or too small, where FER2013 is crisp.
        """
        chosen = uniform(0, 1).view(-1, 1) < self.blur
        sigma = uniform(*BLUR_SIGMA).view(-1, 1)
        offsets = torch.arange(-BLUR_REACH, BLUR_REACH + 1, device=faces.device)
        kernels = torch.where(chosen, torch.exp(-0.5 * (offsets / sigma) ** 2), offsets == 0)
        kernels = (kernels / kernels.sum(1, keepdim=True)).view(len(faces), 1, -1, 1)
        views = functional.pad(faces.unsqueeze(0), [BLUR_REACH] * 4, mode="replicate")
        views = functional.conv2d(views, kernels, groups=len(faces))
        return functional.conv2d(views, kernels.transpose(2, 3), groups=len(faces)).squeeze(0)

    def _warp(self, faces: torch.Tensor, size: int, uniform: Uniform) -> torch.Tensor:
        """Turn, scale, shift, stretch and mirror (N, 48, 48) into (N, 1, size, size)."""
        angle = uniform(-self.rotation, self.rotation) * (math.pi / 180)
        scale = uniform(*self.scale)
        stretch = torch.exp(uniform(-self.stretch, self.stretch))
        flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        # Rows of the matrix map output coordinates to input coordinates, both -1...1.
        matrix = torch.stack(
            [
                torch.stack([flip * cos * stretch, -sin, 2 * uniform(-self.shift, self.shift)], 1),
                torch.stack([flip * sin, cos / stretch, 2 * uniform(-self.shift, self.shift)], 1),
            ],
            1,
        )
        grid = functional.affine_grid(matrix, [len(faces), 1, size, size], align_corners=False)
        return functional.grid_sample(
            faces.unsqueeze(1), grid, padding_mode="border", align_corners=False
        )

    def _crop(self, faces: torch.Tensor, size: int, uniform: Uniform) -> torch.Tensor:
        """Take one of the ten crops (Krizhevsky et al., 2012) of each face, (N, 1, size, size)."""
        room = faces.shape[-1] - size
        corners = torch.tensor(
            [(0, 0), (0, room), (room, 0), (room, room), (room // 2, room // 2)],
            device=faces.device,
        )
        crop = uniform(0, 10).long().clamp(max=9)
        top, left = corners[crop % 5].unbind(1)
        rows = torch.arange(len(faces), device=faces.device)
        views = faces.unfold(1, size, 1).unfold(2, size, 1)[rows, top, left]
        return torch.where((crop < 5).view(-1, 1, 1), views, views.flip(2)).unsqueeze(1)

    def _erase(self, views: torch.Tensor, uniform: Uniform) -> torch.Tensor:
        """Random erasing (Zhong et al., 2017) with a grey patch of random value."""
        size = views.shape[-1]
        axis = torch.arange(size, device=views.device)
        inside = uniform(0, 1).view(-1, 1) < self.erasing
        bands = []
        for _ in range(2):
            length = uniform(0.15 * size, 0.4 * size).view(-1, 1)
            start = uniform(0, 1).view(-1, 1) * (size - length)
            bands.append((axis >= start) & (axis < start + length))
        patch = (inside & bands[0]).unsqueeze(2) & bands[1].unsqueeze(1)
        return torch.where(patch.unsqueeze(1), uniform(0, 1).view(-1, 1, 1, 1), views)
