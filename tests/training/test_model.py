import pytest
import torch
from torch import nn

from predictions.pages.network import STAGES, weights
from training.augmentation import Augmentation
from training.model import DEPTHS, EmotionVGG, grow, work


def test_vgg19_is_the_network_of_the_paper():
    network = EmotionVGG("vgg19")
    widths = [[block[0].out_channels for block in stage] for stage in network.stages()]
    assert widths == [[64] * 2, [128] * 2, [256] * 4, [512] * 4, [512] * 4]
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert (module.kernel_size, module.padding) == ((3, 3), (1, 1))
    assert network.dropout.p == 0.5
    assert (network.classifier.in_features, network.classifier.out_features) == (512, 7)


def test_the_site_draws_the_network_of_the_paper():
    network = EmotionVGG("vgg19")
    assert list(STAGES) == [(stage[0][0].out_channels, len(stage)) for stage in network.stages()]
    kernels = [p.numel() for p in network.parameters() if p.dim() > 1]
    assert weights() == sum(kernels)


@pytest.mark.parametrize("size", [32, 36, 44, 48])
def test_any_resolution_from_32_pixels_gives_seven_logits(size):
    network = EmotionVGG("vgg11").eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("depth", [depth for depth in DEPTHS if depth != "vgg11"])
def test_a_grown_network_answers_like_the_one_it_grew_from(depth):
    torch.manual_seed(1)
    shallow = EmotionVGG("vgg11")
    views = torch.rand(64, 3, 32, 32)
    for _ in range(8):
        shallow(views)
    shallow.eval()
    deep = grow(shallow, depth, views)
    with torch.no_grad():
        before, after = shallow.features(views).flatten(1), deep.features(views).flatten(1)
    likeness = nn.functional.cosine_similarity(before, after).mean()
    assert deep.depth == depth
    assert likeness > 0.9
    fresh = EmotionVGG(depth).eval()
    with torch.no_grad():
        other = fresh.features(views).flatten(1)
    assert nn.functional.cosine_similarity(before, other).mean() < likeness


def test_views_keep_shape_and_range_and_follow_the_seed():
    faces = torch.randint(0, 256, (9, 48, 48), dtype=torch.uint8)
    augmentation = Augmentation(erasing=0.5)
    first = augmentation(faces, 36, torch.Generator().manual_seed(3))
    again = augmentation(faces, 36, torch.Generator().manual_seed(3))
    other = augmentation(faces, 36, torch.Generator().manual_seed(4))
    assert first.shape == (9, 3, 36, 36)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first[:, 0], first[:, 2])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_changes_a_view_is_the_face_itself_or_its_mirror_image():
    still = Augmentation(
        rotation=0, scale=(1, 1), shift=0, stretch=0, contrast=0, brightness=0, erasing=0
    )
    faces = torch.randint(0, 256, (32, 48, 48), dtype=torch.uint8)
    views = still(faces, 48, torch.Generator().manual_seed(0))[:, 0] * 255
    straight = (views - faces).abs().amax((1, 2)) < 0.5
    mirrored = (views - faces.flip(2)).abs().amax((1, 2)) < 0.5
    assert (straight | mirrored).all()
    assert straight.any()
    assert mirrored.any()


def test_a_blurred_view_is_softer_and_as_bright_and_the_others_stay_as_they_are():
    still = {"rotation": 0, "scale": (1, 1), "shift": 0, "stretch": 0}
    faces = torch.randint(0, 256, (200, 48, 48), dtype=torch.uint8)
    sometimes = Augmentation(**still, contrast=0, brightness=0, blur=0.5)
    views = sometimes(faces, 48, torch.Generator().manual_seed(0))[:, 0] * 255
    unlike = [(views - one).abs().amax((1, 2)) for one in (faces, faces.flip(2))]
    kept = torch.minimum(*unlike) < 0.5
    assert 0.4 < kept.float().mean() < 0.6
    softness = views.std((1, 2)) / faces.float().std((1, 2))
    assert softness[kept].min() > 0.99
    assert softness[~kept].max() < 1
    assert softness[~kept].min() < 0.4
    assert views.mean((1, 2)) == pytest.approx(faces.float().mean((1, 2)), abs=2)


def test_the_ten_crops_are_all_drawn_and_nothing_else():
    crops = Augmentation(ten_crop=True, contrast=0, brightness=0)
    face = torch.randint(0, 256, (48, 48), dtype=torch.uint8)
    views = crops(face.expand(400, -1, -1), 44, torch.Generator().manual_seed(0))[:, 0] * 255
    corners = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))
    windows = [face[top : top + 44, left : left + 44] for top, left in corners]
    windows = torch.stack(windows + [window.flip(1) for window in windows]).float()
    near = (views[:, None] - windows[None]).abs().amax((2, 3)) < 0.5
    assert (near.sum(1) == 1).all()
    assert near.any(0).all()


def test_the_work_of_vgg19_is_that_of_its_convolutions():
    network, total = EmotionVGG("vgg19").eval(), 0

    def count(module, inputs, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 44, 44))
    assert work("vgg19", 44) == total
