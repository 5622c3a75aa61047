"""Oracle: the promises of the embedded teacher (offline, small, the same every time), and laws of any image network:
what moves in the picture moves in the features, and pictures do not see each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lima.teachers import load_teacher
from lima.teachers.distil_tiny import Lesson, Projection, Recipe, augmented, principal_components, save, train
from lima.teachers.distil_views import choose_views, look
from lima.teachers.teacher import Teacher
from lima.teachers.tiny import WEIGHTS, TinyTeacher
from tests.teachers.drives import MeanColour, picture


def pictures(count: int, height_px: int, width_px: int) -> Tensor:
    return torch.stack([picture(seed, height_px, width_px) for seed in range(count)])


def test_it_is_a_teacher_of_stride_8() -> None:
    teacher = load_teacher("tiny")
    assert isinstance(teacher, Teacher)
    for height_px, width_px in ((224, 448), (56, 40), (8, 8)):
        found = teacher.features(pictures(2, height_px, width_px))
        assert found.shape == (2, teacher.dim, height_px // teacher.patch_px, width_px // teacher.patch_px)
        assert torch.isfinite(found).all()


def test_it_needs_no_network_no_transformers_and_little_space(tmp_path: Path) -> None:
    assert WEIGHTS.stat().st_size <= 4_000_000
    code = (
        "import socket, sys\n"
        "socket.socket.connect = None\n"
        "from lima.teachers import load_teacher\n"
        "teacher = load_teacher('tiny')\n"
        "print(teacher.key, 'transformers' in sys.modules, 'torchvision' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [load_teacher("tiny").key, "False", "False"]


def test_the_same_features_every_time() -> None:
    pixels = pictures(2, 64, 96)
    first, second = load_teacher("tiny"), load_teacher("tiny")
    assert first.key == second.key
    assert torch.equal(first.features(pixels), second.features(pixels))
    assert torch.equal(first.features(pixels), first.features(pixels))
    with torch.enable_grad():
        assert not first.features(pixels).requires_grad


def test_pictures_do_not_see_each_other() -> None:
    teacher, pixels = load_teacher("tiny"), pictures(3, 64, 96)
    together = teacher.features(pixels)
    for cam in range(3):
        alone = teacher.features(pixels[cam : cam + 1])
        torch.testing.assert_close(together[cam : cam + 1], alone, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("row", "col"), [(6, 5), (6, 20), (13, 9), (3, 23)])
def test_what_is_seen_is_where_it_is(row: int, col: int) -> None:
    """A white square on grey changes the features most in its own cell: rows from the top, columns from the left."""
    teacher = load_teacher("tiny")
    plain = torch.full((1, 3, 128, 256), 100, dtype=torch.uint8)
    marked = plain.clone()
    marked[:, :, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8] = 255
    change = (teacher.features(marked) - teacher.features(plain))[0].norm(dim=0)
    peak = int(change.argmax())
    assert (peak // 32, peak % 32) == (row, col)


def test_one_layer_and_no_other() -> None:
    assert load_teacher("tiny", (0,)).key == load_teacher("tiny", (-1,)).key
    with pytest.raises(ValueError, match="layer -2 is not among the single output of the tiny teacher"):
        load_teacher("tiny", (-2,))
    with pytest.raises(ValueError, match="has one layer"):
        load_teacher("tiny", (-1, 0))
    with pytest.raises(ValueError, match=r"multiples of 8 px, got 224 x 450; the nearest is 224 x 448"):
        load_teacher("tiny").features(pictures(1, 224, 450))
    with pytest.raises(FileNotFoundError, match="is the installation complete"):
        TinyTeacher(weights=Path("nowhere.safetensors"))


def write_pictures(folder: Path, count: int) -> Path:
    from PIL import Image

    folder.mkdir()
    for seed in range(count):
        coarse = picture(seed, 6, 12).permute(1, 2, 0).numpy()
        Image.fromarray(coarse).resize((120, 60)).save(folder / f"{seed}.png")
    return folder


def test_principal_components_are_centred_uncorrelated_and_ordered(tmp_path: Path) -> None:
    views = choose_views([write_pictures(tmp_path / "a", 3)], [], 1, seed=0)
    files = look(MeanColour(), views, tmp_path / "views")
    for whitening, ratio_is_one in ((0.0, False), (1.0, True)):
        projection = principal_components(files, 3, whitening)
        cells = Lesson.from_files(files, projection).targets.permute(1, 0, 2, 3).flatten(1)
        covariance = torch.cov(cells, correction=0)
        variances = covariance.diag()
        torch.testing.assert_close(cells.mean(dim=1), torch.zeros(3), rtol=0, atol=1e-3)
        torch.testing.assert_close(covariance - variances.diag(), torch.zeros(3, 3), rtol=0, atol=1e-2)
        assert variances.mean().item() == pytest.approx(1, abs=1e-2)
        assert (variances.diff() <= 1e-3).all()
        assert (variances[0] / variances[2] < 1.05).item() == ratio_is_one


def test_augmentation_moves_picture_and_target_alike() -> None:
    """A bright block and its target stay together under mirroring and cutting, whatever happens to the colours."""
    pixels = torch.full((1, 3, 224, 448), 60, dtype=torch.uint8)
    targets = torch.zeros(1, 1, 20, 40)
    pixels[:, :, 48:96, 48:160] = 240
    targets[:, :, 48 * 20 // 224 : 96 * 20 // 224, 48 * 40 // 448 : 160 * 40 // 448] = 1
    lesson = Lesson(pixels.expand(16, -1, -1, -1), targets.expand(16, -1, -1, -1))
    images, answers = augmented(lesson, torch.arange(16), torch.Generator().manual_seed(0))
    for image, answer in zip(images.mean(dim=1), answers[:, 0], strict=True):
        cells = torch.nn.functional.avg_pool2d(image[None], 8)[0]
        bright = (cells > (cells.min() + cells.max()) / 2).float()
        if answer.sum() > 4:
            assert ((bright > 0) == (answer > 0.5)).float().mean() > 0.97


@pytest.mark.slow
def test_the_recipe_learns_resumes_and_writes_what_the_teacher_loads(tmp_path: Path) -> None:
    views = choose_views([write_pictures(tmp_path / "a", 4)], [write_pictures(tmp_path / "b", 1)], 4, seed=0)
    teacher = MeanColour()
    files = look(teacher, views, tmp_path / "views")
    assert look(teacher, views, tmp_path / "views") == files
    assert teacher.looks == len(set(files)) == 8
    recipe = Recipe(dim=3, epochs=2, batch_views=4)
    projection = principal_components(files, 3, 0.0)
    lesson = Lesson.from_files(files, projection)

    whole = train(lesson, recipe, tmp_path / "whole.pt")
    checkpoints: list[bytes] = []

    class StoppedError(Exception):
        pass

    original = Path.replace
    with pytest.MonkeyPatch.context() as patch:

        def replace_and_stop(self: Path, target: Path) -> Path:
            original(self, target)
            checkpoints.append(target.read_bytes())
            raise StoppedError

        patch.setattr(Path, "replace", replace_and_stop)
        with pytest.raises(StoppedError):
            train(lesson, recipe, tmp_path / "part.pt")
    resumed = train(lesson, recipe, tmp_path / "part.pt")
    assert len(checkpoints) == 1
    for name, values in whole.state_dict().items():
        assert torch.equal(values, resumed.state_dict()[name]), name
    with pytest.raises(ValueError, match="belongs to another recipe"):
        train(lesson, Recipe(dim=3, epochs=3, batch_views=4), tmp_path / "part.pt")

    save(whole, projection, recipe, "mean colour", tmp_path / "tiny.safetensors")
    loaded = TinyTeacher(weights=tmp_path / "tiny.safetensors")
    assert loaded.dim == 3
    pixels = pictures(1, 64, 128)
    half = torch.stack([values.float() for values in loaded.features(pixels)])
    assert half.shape == (1, 3, 8, 16)


def test_the_same_seed_chooses_the_same_views(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", 3)
    assert choose_views([folder], [folder], 2, seed=1) == choose_views([folder], [folder], 2, seed=1)
    assert choose_views([folder], [folder], 2, seed=1) != choose_views([folder], [folder], 2, seed=2)
    assert len(choose_views([folder], [folder], 2, seed=1)) == 9
    with pytest.raises(FileNotFoundError, match="no pictures"):
        choose_views([tmp_path / "nowhere"], [], 1, seed=0)


def test_a_projection_is_what_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, basis = torch.randn(5, generator=generator), torch.randn(5, 2, generator=generator)
    features = torch.randn(1, 5, 2, 3, generator=generator)
    found = Projection(mean, basis)(features)
    for row in range(2):
        for col in range(3):
            torch.testing.assert_close(found[0, :, row, col], (features[0, :, row, col] - mean) @ basis)
