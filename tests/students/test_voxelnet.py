"""Oracles: OpenPCDet's VoxelResBackBone8x written once more with torch's dense convolutions and masks, by the names and
shapes of its checkpoint; spconv's own layers where it is installed; definitions in loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lima.config import StudentConfig
from lima.encoder import load_encoder, save_student
from lima.export.layers import spconv_weight, weight_from_spconv
from lima.scene import Batch
from lima.sparse import SparseTensor
from lima.students.student import VoxelNetStudent, build_student
from lima.students.voxel_grid import VoxelGrid
from lima.students.voxelnet import VoxelNet

SMALL = StudentConfig(backbone="voxelnet", width=0.25, voxel_size_m=0.5, max_range_m=8.0)
FULL = StudentConfig(backbone="voxelnet", voxel_size_m=0.1, max_range_m=51.2)


def checkpoint_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes in an OpenPCDet checkpoint with five inputs, `backbone_3d.` left out."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, dim: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (dim,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def block(name: str, dim: int) -> None:
        for number in (1, 2):
            shapes[f"{name}.conv{number}.weight"] = (dim, 3, 3, 3, dim)
            shapes[f"{name}.conv{number}.bias"] = (dim,)
            norm(f"{name}.bn{number}", dim)

    shapes["conv_input.0.weight"] = (16, 3, 3, 3, 5)
    norm("conv_input.1", 16)
    block("conv1.0", 16)
    block("conv1.1", 16)
    for step, before, dim in ((2, 16, 32), (3, 32, 64), (4, 64, 128)):
        shapes[f"conv{step}.0.0.weight"] = (dim, 3, 3, 3, before)
        norm(f"conv{step}.0.1", dim)
        block(f"conv{step}.1", dim)
        block(f"conv{step}.2", dim)
    shapes["conv_out.0.weight"] = (128, 3, 1, 1, 128)
    norm("conv_out.1", 128)
    return shapes


def as_spconv(network: VoxelNet) -> dict[str, Tensor]:
    state = {}
    for name, tensor in network.state_dict().items():
        kernel = (1, 1, 3) if name == "conv_out.0.weight" else (3, 3, 3)
        state[name] = spconv_weight(tensor, kernel, "zyx") if tensor.ndim == 3 else tensor
    return state


def test_names_and_shapes_are_those_of_the_checkpoint() -> None:
    network = VoxelNet(VoxelGrid.of(FULL))
    assert {name: tuple(tensor.shape) for name, tensor in as_spconv(network).items()} == checkpoint_shapes()
    assert network.bev_cells == (128, 128, 2)
    assert network.bev_dim == 256
    for name, tensor in as_spconv(network).items():
        if tensor.ndim == 5:
            assert torch.equal(weight_from_spconv(tensor), network.state_dict()[name])


def dense_twin(state: dict[str, Tensor], inputs: Tensor, occupied: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The network in evaluation on dense grids (batch, dim, z, y, x); after every step features and occupied cells."""

    def convolve(x: Tensor, name: str, step: tuple[int, ...] = (1, 1, 1), pad: tuple[int, ...] = (1, 1, 1)) -> Tensor:
        weight = state[f"{name}.weight"].permute(0, 4, 1, 2, 3)
        return F.conv3d(x, weight, state.get(f"{name}.bias"), stride=step, padding=pad)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"][:, None, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-3) * weight + bias

    def block(x: Tensor, mask: Tensor, name: str) -> Tensor:
        inner = F.relu(norm(convolve(x, f"{name}.conv1"), f"{name}.bn1")) * mask
        return F.relu(norm(convolve(inner, f"{name}.conv2"), f"{name}.bn2") + x) * mask

    mask = occupied[:, None].double()
    x = F.relu(norm(convolve(inputs, "conv_input.0"), "conv_input.1")) * mask
    x = block(block(x, mask, "conv1.0"), mask, "conv1.1")
    found = [(x, mask)]
    for step, pad in ((2, (1, 1, 1)), (3, (1, 1, 1)), (4, (0, 1, 1))):
        mask = (F.conv3d(mask, torch.ones(1, 1, 3, 3, 3, dtype=mask.dtype), stride=2, padding=pad) > 0).double()
        x = F.relu(norm(convolve(x, f"conv{step}.0.0", (2, 2, 2), pad), f"conv{step}.0.1")) * mask
        x = block(block(x, mask, f"conv{step}.1"), mask, f"conv{step}.2")
        found.append((x, mask))
    mask = (F.conv3d(mask, torch.ones(1, 1, 3, 1, 1, dtype=mask.dtype), stride=(2, 1, 1)) > 0).double()
    x = F.relu(norm(convolve(x, "conv_out.0", (2, 1, 1), (0, 0, 0)), "conv_out.1")) * mask
    return [*found, (x, mask)]


def unsettled(network: VoxelNet, seed: int = 0) -> VoxelNet:
    """In evaluation, with biases and statistics that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in network.state_dict().values():
        if tensor.ndim == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return network.double().eval()


def random_voxels(grid: VoxelGrid, sweeps: int = 2, share: float = 0.03) -> SparseTensor:
    generator = torch.Generator().manual_seed(1)
    cells = torch.nonzero(torch.rand(sweeps, *grid.cells, generator=generator) < share)
    return SparseTensor(torch.randn(len(cells), 5, generator=generator, dtype=torch.float64), cells)


@pytest.mark.parametrize("gradients", [False, True])
def test_equals_the_dense_network(gradients: bool) -> None:
    """With gradients layer by layer, without them fused."""
    grid = VoxelGrid.of(SMALL)
    torch.manual_seed(0)
    network = unsettled(VoxelNet(grid, 0.25))
    voxels = random_voxels(grid)
    batch, x, y, z = voxels.coordinates.T
    sizes = (2, grid.cells[2] + 1, grid.cells[1], grid.cells[0])
    inputs = torch.zeros(2, 5, *sizes[1:], dtype=torch.float64)
    inputs.permute(0, 2, 3, 4, 1)[batch, z, y, x] = voxels.features
    occupied = torch.zeros(sizes, dtype=torch.bool)
    occupied[batch, z, y, x] = True
    expected = dense_twin(as_spconv(network), inputs, occupied)
    with torch.set_grad_enabled(gradients):
        found = network(voxels)
    for ours, (values, mask) in zip([*found.levels, found.out], expected, strict=True):
        batch, x, y, z = ours.coordinates.T
        assert int(mask.sum()) == len(ours)
        assert torch.allclose(ours.features, values.permute(0, 2, 3, 4, 1)[batch, z, y, x], atol=1e-9)
    maps = network.bev(found.out, 2)
    assert torch.allclose(maps, expected[-1][0].flatten(1, 2), atol=1e-9)


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # in spconv's `dense`
def test_equals_spconv() -> None:
    """The network once more, of spconv's own layers on the same weights in its layout."""
    spconv = pytest.importorskip("spconv.pytorch", reason="spconv is not installed: pip install spconv")
    torch.manual_seed(0)
    grid = VoxelGrid.of(SMALL)
    network = unsettled(VoxelNet(grid, 0.5)).float()
    voxels = random_voxels(grid)
    voxels = voxels.with_features(voxels.features.float())
    state = as_spconv(network)

    def convolve(x: Any, name: str, step: tuple[int, ...] | None = None, pad: tuple[int, ...] = (1, 1, 1)) -> Any:
        weight = state[f"{name}.weight"]
        out_dim, *kernel, in_dim = weight.shape
        bias = f"{name}.bias" in state
        if step is None:
            layer = spconv.SubMConv3d(in_dim, out_dim, kernel, padding=1, bias=bias)
        else:
            layer = spconv.SparseConv3d(in_dim, out_dim, kernel, stride=step, padding=pad, bias=bias)
        layer.load_state_dict({"weight": weight, **({"bias": state[f"{name}.bias"]} if bias else {})})
        return layer(x)

    def norm(x: Any, name: str) -> Any:
        mean, var, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return x.replace_feature((x.features - mean) / torch.sqrt(var + 1e-3) * weight + bias)

    def relu(x: Any) -> Any:
        return x.replace_feature(F.relu(x.features))

    def block(x: Any, name: str) -> Any:
        inner = relu(norm(convolve(x, f"{name}.conv1"), f"{name}.bn1"))
        last = norm(convolve(inner, f"{name}.conv2"), f"{name}.bn2")
        return relu(last.replace_feature(last.features + x.features))

    indices = voxels.coordinates[:, [0, 3, 2, 1]].int().contiguous()
    with torch.no_grad():
        x = spconv.SparseConvTensor(voxels.features, indices, [grid.cells[2] + 1, grid.cells[1], grid.cells[0]], 2)
        x = relu(norm(convolve(x, "conv_input.0"), "conv_input.1"))
        x = block(block(x, "conv1.0"), "conv1.1")
        expected = [x]
        for step, pad in ((2, (1, 1, 1)), (3, (1, 1, 1)), (4, (0, 1, 1))):
            x = relu(norm(convolve(x, f"conv{step}.0.0", (2, 2, 2), pad), f"conv{step}.0.1"))
            x = block(block(x, f"conv{step}.1"), f"conv{step}.2")
            expected.append(x)
        expected.append(relu(norm(convolve(x, "conv_out.0", (2, 1, 1), (0, 0, 0)), "conv_out.1")))
        found = network(voxels)
    for ours, theirs in zip([*found.levels, found.out], expected, strict=True):
        batch, x_cell, y_cell, z_cell = ours.coordinates.T
        at = theirs.dense().permute(0, 2, 3, 4, 1)[batch, z_cell, y_cell, x_cell]
        assert len(ours) == len(theirs.features)
        assert float((ours.features - at).abs().max()) < 1e-5 * float(at.abs().max())
    height_compression = expected[-1].dense().flatten(1, 2)
    assert torch.allclose(network.bev(found.out, 2), height_compression, rtol=1e-4, atol=1e-3)


def test_positions_are_the_centres_of_what_a_cell_sees() -> None:
    """Cell o of the second grid sees the cells 2 o - 1 … 2 o + 1; the last step has no padding in height."""
    for cell in range(1, 4):
        centre = torch.tensor([[2.0 * cell + 0.5] * 3])  # in the finest grid, the middle of cell 2 * cell
        assert VoxelNet.level_positions(centre)[1].tolist() == [[cell + 0.5] * 3]
    third = torch.tensor([[4 * 3 + 0.5, 4 * 3 + 0.5, 4 * 3 + 0.5]])  # the middle of cell 3 of the third grid
    x, y, z = VoxelNet.level_positions(third)[3][0].tolist()
    assert (x, y) == (2.0, 2.0)  # between the cells 1 (centred on 2) and 2 (centred on 4)
    assert z == 1.5  # cell 1 sees 2, 3, 4 and is centred on 3


def sweep(points: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positions = (torch.rand(points, 3, generator=generator) * 2 - 1) * torch.tensor([9.0, 9.0, 1.5])
    return positions, torch.rand(points, generator=generator)


def test_one_feature_per_point_of_every_sweep_and_zeros_beyond_the_box() -> None:
    torch.manual_seed(0)
    student = build_student(SMALL).eval()
    assert isinstance(student, VoxelNetStudent)
    sweeps = [sweep(700, 0), sweep(400, 1)]
    both = Batch.from_points([points for points, _ in sweeps], [intensity for _, intensity in sweeps])
    features = student(both)
    assert features.shape == (1100, student.dim) == (1100, 4 + 8 + 16 + 32)
    inside = (both.points_lidar[:, :2].abs() < 8).all(dim=1)
    assert torch.equal(student.in_range(both), inside)
    assert bool((features[~inside] == 0).all())
    assert bool((features[inside] != 0).any(dim=1).all())
    alone = student(Batch.from_points([sweeps[1][0]], [sweeps[1][1]]))
    assert torch.allclose(features[700:], alone, atol=1e-5)


def test_pretraining_reaches_all_but_the_last_convolution() -> None:
    torch.manual_seed(0)
    student = build_student(SMALL)
    points, intensity = sweep(700, 0)
    student(Batch.from_points([points], [intensity])).square().sum().backward()
    without = {name for name, parameter in student.named_parameters() if parameter.grad is None}
    assert without == {"backbone.conv_out.0.weight", "backbone.conv_out.1.weight", "backbone.conv_out.1.bias"}


def test_a_voxel_is_the_mean_of_its_points_and_of_their_times() -> None:
    grid = VoxelGrid((-1.0, -1.0, -1.0), (1.0, 1.0, 0.5), (2, 2, 4))
    points = torch.tensor([[0.25, -0.5, 0.1], [0.75, -0.5, 0.3], [-0.5, 0.5, -0.9], [0.0, 1.0, 0.0]])
    batch = Batch.from_points([points], [torch.tensor([0.2, 0.4, 1.0, 1.0])])
    voxels = grid.voxels(batch, torch.tensor([0.0, 0.5, 0.1, 0.0]))
    assert voxels.coordinates.tolist() == [[0, 0, 1, 0], [0, 1, 0, 2]]
    expected = torch.tensor([[-0.05, 0.05, -0.63, 8.0, 0.25], [0.05, -0.05, 0.14, 2.4, 0.625]])
    assert torch.allclose(voxels.features, expected)
    assert grid.voxels(batch).features[:, 4].tolist() == [0, 0]


def test_saved_and_loaded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = build_student(SMALL)
    save_student(tmp_path, student, SMALL)
    points, intensity = sweep(300, 2)
    encoder = load_encoder(tmp_path)
    assert torch.equal(
        encoder.encode(points, intensity), student.eval()(Batch.from_points([points], [intensity])).detach()
    )
    assert '"seconds_before": 2.5' in (tmp_path / "student.json").read_text()


@pytest.mark.parametrize("change", [{"voxel_height_m": 20.0}, {"voxel_size_m": 0.0}, {"highest_m": -6.0}])
def test_a_box_without_cells_is_refused(change: dict[str, float]) -> None:
    config = StudentConfig(**{**FULL.__dict__, **change})
    with pytest.raises(ValueError, match="do not fill"):
        VoxelGrid.of(config)
