"""The network of the paper's Table 1, and how it grows from a shallower one of its family."""

import numpy as np
import torch
from torch import nn

from mlcore.labels import LABELS
from training.torchvision_ops import vgg

DEPTHS = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}
"""Network name -> configuration letter of Simonyan & Zisserman (2014), Table 1."""

LAYERS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Convolutions in each of the five stages."""

CHANNELS = (64, 128, 256, 512, 512)

SMALLEST_SIZE = 32
"""Side in pixels that five poolings leave one value of."""


def work(depth: str, size: int, groups: int | None = None) -> float:
    """Return the multiplications that one (3, size, size) image takes, which time goes by roughly,
    in the first so many groups of convolutions; by default in all."""
    total, inputs = 0, 3
    for layers, outputs in list(zip(LAYERS[depth], CHANNELS, strict=True))[:groups]:
        total += 9 * size * size * outputs * (inputs + (layers - 1) * outputs)
        inputs, size = outputs, size // 2
    return total


class EmotionVGG(nn.Module):
    """VGG convolutions with batch normalisation, average pool, dropout and one linear layer.

    Takes (N, 3, S, S) float32 in 0...1 with S at least 32 and returns (N, 7) logits in LABELS
    order. ``depth`` is a key of DEPTHS; serving uses ``vgg19`` at S = 44.
    """

    def __init__(self, depth: str = "vgg19", dropout: float = 0.5) -> None:
        super().__init__()
        self.depth = depth
        self.features = vgg.make_layers(vgg.cfgs[DEPTHS[depth]], batch_norm=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(512, len(LABELS))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.pool(self.features(inputs)).flatten(1)))

    def stages(self) -> list[list[nn.Sequential]]:
        """Return the convolution blocks (convolution, normalisation, ReLU) between the pools."""
        stages: list[list[nn.Sequential]] = [[]]
        for index, module in enumerate(self.features):
            if isinstance(module, nn.Conv2d):
                stages[-1].append(nn.Sequential(*self.features[index : index + 3]))
            elif isinstance(module, nn.MaxPool2d):
                stages.append([])
        return stages[:-1]

    def freeze(self, groups: int) -> None:
        """Let the blocks of the first so many of ``stages`` learn nothing, and all others learn.

        Their normalisations still go by the statistics of each batch.
        """
        for index, blocks in enumerate(self.stages()):
            for block in blocks:
                block.requires_grad_(index >= groups)


def _restoring(normalisation: nn.BatchNorm2d, result: torch.Tensor, wanted: torch.Tensor) -> None:
    """Let a normalisation turn ``result`` into values with the mean and variance of ``wanted``.

    Both are (N, C, H, W) of the same batch. It then does so in training too, where the statistics
    of each batch are used.
    """
    normalisation.running_mean.copy_(result.mean((0, 2, 3)))
    normalisation.running_var.copy_(result.var((0, 2, 3)))
    normalisation.weight.copy_(wanted.var((0, 2, 3)).add(normalisation.eps).sqrt())
    normalisation.bias.copy_(wanted.mean((0, 2, 3)))


@torch.no_grad()
def grow(shallow: EmotionVGG, depth: str, inputs: torch.Tensor) -> EmotionVGG:
    """Return a deeper network that computes nearly what ``shallow`` does.

    Simonyan & Zisserman started their deep networks from configuration A; Net2DeeperNet (Chen et
    al., 2016) adds that a new layer may start as the identity. Values behind a ReLU are never
    negative, so a Dirac kernel followed by a normalisation that restores each channel's own mean
    and variance passes them on unchanged. ``inputs`` is a batch that those statistics are
    measured on. A little noise lets the new kernels learn to differ.
    """
    deep = EmotionVGG(depth, shallow.dropout.p).to(inputs.device)
    deep = deep.to(memory_format=torch.channels_last)
    deep.classifier.load_state_dict(shallow.classifier.state_dict())
    was_training = shallow.training
    shallow.eval()
    deep.eval()
    values = inputs
    for old_stage, new_stage in zip(shallow.stages(), deep.stages(), strict=True):
        for index, block in enumerate(new_stage):
            if index < len(old_stage):
                block.load_state_dict(old_stage[index].state_dict())
            else:
                convolution, normalisation = block[0], block[1]
                noise = 0.1 * convolution.weight.std()
                nn.init.dirac_(convolution.weight)
                convolution.weight += noise * torch.randn_like(convolution.weight)
                _restoring(normalisation, convolution(values), values)
            values = block(values)
        values = nn.functional.max_pool2d(values, 2)
    shallow.train(was_training)
    return deep.train(was_training)


@torch.no_grad()
def unfold(
    stages: list[list[tuple[np.ndarray, np.ndarray]]],
    head: tuple[np.ndarray, np.ndarray],
    depth: str,
    inputs: torch.Tensor,
) -> EmotionVGG:
    """Return a trainable network that computes what folded kernels and biases compute.

    Takes what an exported file holds: (kernel, bias) of each convolution by stage, and of the
    linear layer. ``inputs`` is a batch on which the normalisations are set anew. Each filter gets
    the length 1: the normalisation behind it takes its scale away, so its length says nothing but
    how far a learning rate turns it, and folding left some a hundred times as quick as others.
    """
    network = EmotionVGG(depth).to(inputs.device).eval()
    network.classifier.weight.copy_(torch.from_numpy(head[0]))
    network.classifier.bias.copy_(torch.from_numpy(head[1]))
    values = inputs
    for blocks, folded in zip(network.stages(), stages, strict=True):
        for block, (kernel, bias) in zip(blocks, folded, strict=True):
            convolution, normalisation = block[0], block[1]
            weight = torch.from_numpy(kernel).to(inputs.device)
            lengths = weight.flatten(1).norm(dim=1).clamp(min=1e-6)
            convolution.weight.copy_(weight / lengths.view(-1, 1, 1, 1))
            result = convolution(values)
            mean, variance = result.mean((0, 2, 3)), result.var((0, 2, 3))
            normalisation.running_mean.copy_(mean)
            normalisation.running_var.copy_(variance)
            normalisation.weight.copy_(lengths * (variance + normalisation.eps).sqrt())
            normalisation.bias.copy_(lengths * mean + torch.from_numpy(bias).to(inputs.device))
            values = block(values)
        values = nn.functional.max_pool2d(values, 2)
    return network
