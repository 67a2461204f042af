import dataclasses
import json

import pytest

from tests.support.runs import RECIPES
from training.recipe import RecipeError, load_recipe

SMOKE = (RECIPES / "smoke.toml").read_text()


@pytest.mark.parametrize("path", sorted({*RECIPES.glob("*.toml")} - {RECIPES / "smoke.toml"}))
def test_every_recipe_ends_with_the_network_that_is_served(path):
    recipe = load_recipe(path)
    assert (recipe.stages[-1].depth, recipe.stages[-1].size) == ("vgg19", 44)


def test_the_paper_is_followed_to_the_letter():
    recipe = load_recipe(RECIPES / "paper.toml")
    (stage,) = recipe.stages
    assert (recipe.batch_size, recipe.epochs, stage.augmentation.ten_crop) == (128, 250, True)
    assert recipe.label_smoothing == recipe.ferplus_weight == recipe.ema_decay == 0
    assert [stage.rate(epoch) for epoch in (0, 80, 84.9)] == [0.01] * 3
    assert stage.rate(85) == pytest.approx(0.009)
    assert stage.rate(94.9) == pytest.approx(0.0081)
    assert stage.rate(249.9) == pytest.approx(0.01 * 0.9**33)


def test_settings_of_a_release_that_knew_fewer_of_them_agree_where_the_rest_is_at_its_default():
    recipe = load_recipe(RECIPES / "refined.toml")
    old = json.loads(recipe.settings())
    del old["ensemble_weight"], old["ensemble_decay"]
    for stage in old["stages"]:
        del stage["augmentation"]["blur"], stage["sharpness"], stage["mixup"]
        del stage["distillation"], stage["frozen"], stage["ema_decay"]
    assert recipe.agrees_with(recipe.settings())
    assert recipe.agrees_with(json.dumps(old))
    assert not dataclasses.replace(recipe, ensemble_weight=0.1).agrees_with(json.dumps(old))
    assert not recipe.agrees_with(json.dumps({**old, "momentum": 0.8}))
    assert not recipe.agrees_with(json.dumps({**old, "dropout": 0.5}))
    assert not recipe.agrees_with(json.dumps({**old, "stages": old["stages"][:1]}))


def test_the_rate_warms_up_and_falls_within_its_stage():
    recipe = load_recipe(RECIPES / "smoke.toml")
    stage, first = recipe.stage_at(1.5)
    assert first == 0
    assert stage.rate(0.0) == pytest.approx(0.002)
    assert stage.rate(0.5) == pytest.approx(0.02)
    assert stage.rate(2.0) == pytest.approx(0.01)
    with pytest.raises(IndexError, match="3 epochs"):
        recipe.stage_at(3)


def test_what_is_left_of_a_schedule_is_told_by_stage():
    recipe = load_recipe(RECIPES / "smoke.toml")
    first, second = recipe.stages
    assert recipe.left(0) == [(first, 2), (second, 1)]
    assert recipe.left(1.5) == [(first, 0.5), (second, 1)]
    assert recipe.left(2.25) == [(second, 0.75)]
    assert recipe.left(3) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("vgg13", "vgg12", "stage 2 needs depth one of vgg11, vgg13, vgg16, vgg19"),
        ("size = 32", "size = 31", "stage 1 needs size at least 32"),
        ("size = 32", "size = '32'", "size = '32' in stage 1 is no number"),
        ("seed", "sead", "the recipe has no setting 'sead'"),
        ("seed = 5", "", "the recipe lacks seed"),
        ("[0.02, 0.01]", "[0.02]", "neither a number nor two"),
        ("learning_rate = [0.02, 0.01]", "", "stage 1 lacks learning_rate"),
        ("ensemble_weight = 0.3", "ensemble_weight = 1.0", "ensemble_weight from 0 to below 1"),
        ("ensemble_decay = 0.5", "ensemble_decay = -0.5", "ensemble_decay from 0 to below 1"),
        ("blur = 0.25", "blur = 1.25", "stage 2 needs blur from 0 to 1"),
        ("erasing = 0.25", "erasing = -1", "stage 2 needs erasing from 0 to 1"),
        ("sharpness = 0.05", "sharpness = -0.05", "stage 2 needs sharpness at least 0"),
        ("sharpness = 0.05", "sharpness = inf", "stage 2 needs sharpness at least 0"),
        ("mixup = 0.3", "mixup = 0.6", "stage 2 needs mixup from 0 to 0.5"),
        ("distillation = 0.4", "distillation = 1.1", "stage 2 needs distillation from 0 to 1"),
        ("size = 44", "size = 44\nfrozen = 6", "stage 2 needs frozen from 0 to 5"),
        ("size = 44", "size = 44\nfrozen = 1", "it needs nothing frozen where layers are added"),
        ("size = 44", "size = 44\nfrozen = 0.5", "frozen = 0.5 in stage 2 is no number"),
        ("ema_decay = 0.4", "ema_decay = 1", "stage 2 needs ema_decay between 0 and 1"),
        ("ema_decay = 0.4", "ema_decay = '1'", "ema_decay = '1' in stage 2 is no number"),
        ("epochs = 2", "epochs = 0", "stage 1 needs epochs at least 1"),
        ("epochs = 2", "epochs = 2.5", "is no number of the right kind"),
        ("erasing", "erazing", "stage 2's augmentation has no setting 'erazing'"),
        ("momentum = 0.9", "momentum = 1.9", "it needs momentum"),
        ("faces = 1024", "faces = 3", "it needs faces for a batch"),
        ("warmup_epochs = 0.5", "decay = { start = 1 }", "stage 1's decay lacks every"),
        ("[[stage]]", "[[stages]]", "it needs a [[stage]]"),
        ("seed = 5", "seed = ", "odd.toml"),
    ],
)
def test_a_recipe_that_cannot_be_trained_is_refused_in_one_line(tmp_path, old, new, reason):
    path = tmp_path / "odd.toml"
    path.write_text(SMOKE.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere\.toml cannot be read: No such file"):
        load_recipe(tmp_path / "nowhere.toml")
