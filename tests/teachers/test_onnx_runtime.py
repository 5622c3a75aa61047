"""Oracle: the same teacher in PyTorch; for 8 bits, the product of rounded numbers by hand."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lima.config import Runtime
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.teachers.teacher import Teacher
from tests.shared import shared_folder
from tests.teachers.conftest import Folder
from tests.teachers.drives import Drive, picture


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    if "without" not in request.node.name:
        pytest.importorskip("onnx", reason="onnx is not installed")
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def pictures(count: int, height_px: int, width_px: int) -> torch.Tensor:
    return torch.stack([picture(seed, height_px, width_px) for seed in range(count)])


@pytest.mark.parametrize(
    ("model_type", "layers", "size"),
    [
        ("dinov2", (-1,), (56, 84)),
        ("dinov2", (-1, -2), (56, 84)),
        ("dinov3_vit", (-1,), (56, 84)),
        ("vit", (-2,), (56, 84)),
        ("sam2", (-2,), (64, 96)),
    ],
)
def test_features_are_pytorch_s(
    model_type: str, layers: tuple[int, ...], size: tuple[int, int], small_network: Folder
) -> None:
    folder = str(small_network(model_type))
    exact, fast = load_teacher(folder, layers), load_teacher(folder, layers, runtime="onnx")
    assert isinstance(fast, Teacher)
    assert (fast.dim, fast.patch_px) == (exact.dim, exact.patch_px)
    pixels = pictures(3, *size)
    wanted = exact.features(pixels)
    assert float((fast.features(pixels) - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


def test_the_tiny_teacher_at_two_sizes() -> None:
    exact, fast = load_teacher("tiny"), load_teacher("tiny", runtime="onnx")
    for size in ((64, 96), (32, 64), (64, 96)):
        pixels = pictures(2, *size)
        assert torch.allclose(fast.features(pixels), exact.features(pixels), atol=1e-4)


@pytest.mark.parametrize("model_type", ["dinov2", "sam2"])
def test_eight_bits_give_nearly_the_same_features(model_type: str, small_network: Folder) -> None:
    folder = str(small_network(model_type))
    layers = (-2,) if model_type == "sam2" else (-1,)
    exact, fast = load_teacher(folder, layers), load_teacher(folder, layers, runtime="onnx-int8")
    pixels = pictures(2, 64, 96) if model_type == "sam2" else pictures(2, 56, 84)
    wanted, found = exact.features(pixels), fast.features(pixels)
    assert not torch.equal(wanted, found)
    assert float(torch.cosine_similarity(wanted, found, dim=1).mean()) > 0.98
    assert torch.equal(found, fast.features(pixels))  # the same every time


def test_how_close_eight_bits_are_is_said(small_network: Folder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="lima"):
        load_teacher(str(small_network("dinov2")), runtime="onnx-int8").features(pictures(1, 56, 84))
    assert "dinov2-onnx-int8: cosine" in caplog.text
    assert "exact features of the first picture" in caplog.text


def test_eight_bits_where_there_is_nothing_to_round_is_refused() -> None:
    """The tiny teacher is made of convolutions, and its attention has no weights in its products."""
    with pytest.raises(ValueError, match=r"tiny has no matrix products with weights .* use --runtime onnx"):
        load_teacher("tiny", runtime="onnx-int8").features(pictures(1, 32, 64))


def test_every_runtime_has_a_key_and_a_folder_of_its_own(small_network: Folder, tmp_path: Path) -> None:
    folder = small_network("dinov2")
    runtimes: tuple[Runtime, ...] = ("torch", "onnx", "onnx-int8")
    teachers = [load_teacher(str(folder), runtime=runtime) for runtime in runtimes]
    assert len({teacher.key for teacher in teachers}) == 3
    assert [teacher.name.removeprefix(str(folder)) for teacher in teachers] == ["", "-onnx", "-onnx-int8"]
    caches = [FeatureCache(tmp_path, teacher, 56, 84) for teacher in teachers]
    assert len({cache.folder for cache in caches}) == 3
    assert caches[2].folder.name.startswith("dinov2-onnx-int8-")
    assert load_teacher(str(folder), (-2,), runtime="onnx").key != teachers[1].key


def test_a_cache_filled_by_one_runtime_is_not_read_by_another(tmp_path: Path) -> None:
    drive = Drive("a", 2)
    filled = FeatureCache(tmp_path, load_teacher("tiny", runtime="onnx"), 32, 64)
    filled.fill([drive])
    assert filled.missing([drive]) == []
    assert len(FeatureCache(tmp_path, load_teacher("tiny"), 32, 64).missing([drive])) == 2


def test_the_teacher_itself_stays_as_it_was() -> None:
    """The exporter changes the weights of what it is given."""
    fast, pixels = load_teacher("tiny", runtime="onnx"), pictures(1, 32, 64)
    fast.features(pixels)
    after, fresh = fast._teacher.network.state_dict(), load_teacher("tiny").network.state_dict()
    assert all(torch.equal(after[name], fresh[name]) for name in fresh)


def test_wrong_sizes_are_the_teacher_s_to_refuse() -> None:
    with pytest.raises(ValueError, match="multiples of 8 px"):
        load_teacher("tiny", runtime="onnx").features(pictures(1, 33, 64))


def test_a_network_that_changes_when_it_is_traced_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing keeps what the network did with one picture, whatever it would do with the next."""
    fast = load_teacher("tiny", runtime="onnx")
    module = importlib.import_module("lima.teachers.onnx_runtime")
    traced = module._traced

    def other_weights(teacher: Teacher, picture: torch.Tensor) -> bytes:
        with torch.no_grad():
            parameter = next(teacher.network.parameters())
            parameter.mul_(0.5)
            model = traced(teacher, picture)
            parameter.mul_(2)
        return model

    monkeypatch.setattr(module, "_traced", other_weights)
    with pytest.raises(ValueError, match=r"tiny-onnx gives other features than tiny .* use --runtime torch"):
        fast.features(pictures(1, 32, 64))


def test_a_network_that_cannot_be_traced_is_refused(small_network: Folder) -> None:
    """The positions of DINOv2 with registers are resampled by a filter that ONNX does not have."""
    fast = load_teacher(str(small_network("dinov2_with_registers")), runtime="onnx")
    with pytest.raises(ValueError, match=r"cannot be run by onnxruntime .*: use --runtime torch"):
        fast.features(pictures(1, 70, 98))


def test_pictures_may_lie_in_memory_in_any_order() -> None:
    fast, pixels = load_teacher("tiny", runtime="onnx"), pictures(2, 32, 64)
    wanted = fast.features(pixels.contiguous())
    assert torch.equal(fast.features(pixels.contiguous(memory_format=torch.channels_last)), wanted)


def test_on_a_gpu_it_is_refused() -> None:
    with pytest.raises(ValueError, match="--runtime onnx runs on the CPU, the teacher is to run on cuda"):
        load_teacher("tiny", device="cuda", runtime="onnx")


def test_without_onnxruntime_one_reads_how_to_get_it(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['onnxruntime'] = None\nfrom lima.teachers import load_teacher\n"
        "try:\n    load_teacher('tiny', runtime='onnx')\nexcept ImportError as problem:\n    print(problem)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'lima-lidar[onnx]'" in said


@pytest.mark.slow
def test_published_weights() -> None:
    folder = str(shared_folder("weights/dinov2-small"))
    pixels = pictures(1, 112, 224)
    exact = load_teacher(folder).features(pixels)
    assert float((load_teacher(folder, runtime="onnx").features(pixels) - exact).abs().max()) < 1e-3
    rounded = load_teacher(folder, runtime="onnx-int8").features(pixels)
    assert float(torch.cosine_similarity(rounded, exact, dim=1).mean()) > 0.99
