"""What a network is to say of the faces of a batch, and who says so besides the labels."""

import copy

import numpy as np
import torch

from mlcore.labels import LABELS
from mlcore.preprocessing import FACE_SIZE, INPUT_SIZE
from training.augmentation import Augmentation
from training.data import Split, label_given_votes
from training.export import SERVED
from training.model import EmotionVGG
from training.recipe import Recipe, Stage

SERVED_SCALES = (FACE_SIZE / max(SERVED.windows), FACE_SIZE / min(SERVED.windows))
"""How near the farthest and the nearest served view show a face; 1 is the face as it is."""


def soft_targets(split: Split, recipe: Recipe) -> torch.Tensor:
    """Return (N, 7) float32 rows that sum to 1: the smoothed label mixed with the FER+ votes."""
    targets = np.eye(len(LABELS), dtype=np.float32)[split.labels]
    targets = targets * (1 - recipe.label_smoothing) + recipe.label_smoothing / len(LABELS)
    if recipe.ferplus_weight:
        targets += recipe.ferplus_weight * (label_given_votes(split) - targets)
    return torch.from_numpy(targets)


def mixed_faces(stage: Stage, batch: int) -> int:
    """Return how many faces of a batch, the first ones, are mixed with others: half of them, so
    that what is said of the rest is said of one face."""
    return batch // 2 if stage.mixup else 0


def mix(
    views: torch.Tensor, targets: torch.Tensor, count: int, most: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay another face over the first ``count`` of (N, 3, S, S) views, and its target over that of
    (N, 7).

    Mixup (Zhang et al., 2018): the share of the other is drawn for each between 0 and ``most``. A
    network that answers in proportion between faces has less room to learn wrong labels by heart.
    """
    share = torch.rand(count, 1, generator=generator, device=views.device) * most
    mixed, wanted = (
        torch.cat([part[:count].lerp(part[:count].roll(1, 0), each), part[count:]])
        for part, each in ((views, share.view(-1, 1, 1, 1)), (targets, share))
    )
    return mixed, wanted


@torch.no_grad()
def opinions(network: EmotionVGG, faces: torch.Tensor, narrow: bool) -> torch.Tensor:
    """Return (N, 7) float32: the network's probabilities, without a temperature, for (N, 48, 48)
    uint8 faces, averaged over the face and its mirror image."""
    network.eval()
    plain = _unchanged_but(scale=(1, 1))
    generator = torch.Generator(faces.device)
    parts = []
    for part in faces.split(256):
        views = plain(part, INPUT_SIZE, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast(faces.device.type, torch.bfloat16, enabled=narrow):
            straight, mirrored = network(views), network(views.flip(3))
        parts.append((straight.float().softmax(1) + mirrored.float().softmax(1)) / 2)
    return torch.cat(parts)


class Teacher:
    """A copy of a network that learns nothing any more, with the resolution that it learned at."""

    def __init__(self, network: EmotionVGG, size: int) -> None:
        network = copy.deepcopy(network).to(memory_format=torch.channels_last)
        self.network, self.size = network.eval().requires_grad_(False), size

    @torch.no_grad()
    def look_again(
        self, views: torch.Tensor, generator: torch.Generator, narrow: bool
    ) -> torch.Tensor:
        """Return (N, 7) float32: its probabilities for (N, 3, S, S) views, values 0...1, each seen
        once more, at a scale of its own out of SERVED_SCALES, mirrored or not.

        Distillation (Hinton et al., 2015) of one such look, drawn anew in each step, teaches the
        mean over all of them, for the loss is linear in its targets. What is served is a mean of
        logits, not of probabilities, over the ends of that range. Scales are relative to the view,
        which is resampled once more: the teacher sees it a little softer. Most views are mixed or
        partly erased, and of those the teacher knows no label by heart.
        """
        again = _unchanged_but(scale=SERVED_SCALES)
        seen = again(views[:, 0] * 255, self.size, generator)
        with torch.autocast(views.device.type, torch.bfloat16, enabled=narrow):
            logits = self.network(seen.contiguous(memory_format=torch.channels_last))
        return logits.float().softmax(1)

    def state(self) -> dict:
        """Return what a checkpoint holds of it."""
        weights = self.network.state_dict()
        return {"depth": self.network.depth, "size": self.size, "weights": weights}

    @classmethod
    def restored(cls, state: dict, device: torch.device) -> "Teacher":
        network = EmotionVGG(state["depth"]).to(device)
        network.load_state_dict(state["weights"])
        return cls(network, state["size"])


def _unchanged_but(scale: tuple[float, float]) -> Augmentation:
    """Return views at a scale that is drawn between two, mirrored or not, and else unchanged."""
    return Augmentation(rotation=0, scale=scale, shift=0, stretch=0, contrast=0, brightness=0)
