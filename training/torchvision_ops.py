"""Imports torchvision's VGG, also where torchvision's wheel and a CPU-only torch do not match.

The torchvision that pip finds for Linux is built for CUDA. Beside a torch without CUDA its compiled
operators do not load, and the import stops at the first of them, though only object detectors use
them. Their declarations are enough to go on.
"""

import torch

try:
    from torchvision.models import vgg
except RuntimeError as error:
    if "torchvision::nms" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.models import vgg

__all__ = ["vgg"]
