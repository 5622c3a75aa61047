"""Oracle: the settings as published, and what a recipe must not need to be read."""

import pytest

from lima import recipes
from tests.fresh_process import modules_after


def test_reading_recipes_loads_no_torch() -> None:
    assert "torch" not in modules_after("import lima.recipes; lima.recipes.lima_vit_b()")


@pytest.mark.parametrize("size", ["small", "base", "large"])
def test_the_papers_settings(size: str) -> None:
    config = recipes.RECIPES[f"lima_vit_{size[0]}"]()
    assert config.teacher.name == f"facebook/dinov2-{size}"
    assert (config.teacher.image_height_px, config.teacher.image_width_px) == (224, 448)
    assert config.student.backbone == "minkunet34"
    assert config.student.width == 1
    assert config.method.frames == 6
    assert config.method.loss == "l2"
    assert (config.optimiser.learning_rate, config.optimiser.weight_decay) == (0.01, 0.01)


def test_one_frame_changes_the_memory_and_the_mixing_and_nothing_else() -> None:
    lima, scalr = recipes.lima_vit_b(), recipes.scalr()
    assert (scalr.method.frames, scalr.method.mixing) == (1, "none")
    assert recipes.one_frame(lima) == scalr
    assert (scalr.teacher, scalr.student, scalr.optimiser) == (lima.teacher, lima.student, lima.optimiser)


def test_every_recipe_says_what_it_is() -> None:
    assert all(recipe.__doc__ for recipe in recipes.RECIPES.values())
