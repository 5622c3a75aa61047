"""Who is measured: our engines, and the networks of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from unittest import mock

import torch
from benchmarks.peers import LEVELS, Kit, PeerUNet, Place
from benchmarks.task import DTYPES, MODELS, Task
from torch import Tensor

from lima.sparse import KernelMap, KernelMaps
from lima.sparse.engines import Engine
from lima.students.minkunet import BLOCKS, MinkUNet

ADAPTER = "spconv"
"""The engine over spconv's functions: measured where asked for, for the peer of that name is the library itself."""


@dataclass(frozen=True)
class Contender:
    """One way to do it all. threads: as many as it works with."""

    name: str
    threads: int
    phases: Mapping[str, Callable[[], object]]


def ours(engine: Engine, network: MinkUNet, task: Task) -> Contender:
    """The network over one of our engines."""

    @torch.no_grad()
    def infer() -> None:
        with task.precision():
            network.eval()(task.voxels(KernelMaps(engine.name)))

    phases = {"map": map_finder(engine, network, task), "infer": infer, "train": training_step(engine, network, task)}
    return Contender(name_of(engine), torch.get_num_threads(), phases)


def name_of(engine: Engine) -> str:
    """As it stands in the table."""
    return f"{engine.name} engine" if engine.name == ADAPTER else engine.name


def training_step(engine: Engine, network: MinkUNet, task: Task) -> Callable[..., None]:
    """Forward and backward over the given kernel maps, or over new ones."""

    def train(maps: KernelMaps | None = None) -> None:
        with task.precision():
            features = network.train()(task.voxels(maps or KernelMaps(engine.name))).features
        features.float().square().mean().backward()
        network.zero_grad()

    return train


def network_maps(maps: KernelMaps, coordinates: Tensor) -> list[KernelMap]:
    """All that a MinkUNet needs, level after level."""
    found = []
    for level in range(LEVELS):
        found += [maps.submanifold(coordinates, 2**level, kernel_size, 1) for kernel_size in (1, 3)]
        if level < LEVELS - 1:
            coordinates, kernel_map = maps.strided(coordinates, 2**level, 2, 2)
            found += [kernel_map, kernel_map.transposed]
    return found


def map_finder(engine: Engine, network: MinkUNet, task: Task) -> Callable[[], None]:
    """Finds all maps and arranges them as the engine was seen to do in a training step."""
    maps, asked, layout = KernelMaps(engine.name), [], KernelMap.layout

    def noting(kernel_map: KernelMap, arrange: Callable[[KernelMap], object]) -> object:
        asked.append((kernel_map, arrange))
        return layout(kernel_map, arrange)

    with mock.patch.object(KernelMap, "layout", noting):
        training_step(engine, network, task)(maps)
    arrangements = [
        dict.fromkeys(arrange for other, arrange in asked if other is kernel_map)
        for kernel_map in network_maps(maps, task.coordinates)
    ]

    def find_maps() -> None:
        found = network_maps(KernelMaps(engine.name), task.coordinates)
        for kernel_map, wanted in zip(found, arrangements, strict=True):
            for arrange in wanted:
                kernel_map.layout(arrange)

    return find_maps


def theirs(kit: Kit, network: MinkUNet, task: Task) -> Contender:
    """The network of another library, which was seen to give our outputs.

    In half precision its training is under autocast, and for inference its weights are cast, as its users do.
    """
    place, dtype = Place.of(task.coordinates), DTYPES[task.dtype]

    def build(dtype: torch.dtype) -> PeerUNet:
        backbone, width = MODELS[task.model]
        peer = PeerUNet(kit, BLOCKS[backbone], width).to(task.device, dtype)
        peer.copy_weights(network)
        return peer

    trained = build(torch.float32)
    evaluated = trained if dtype == torch.float32 else build(dtype)

    @torch.no_grad()
    def infer() -> Tensor:
        with kit.at_work(task.device):
            return kit.features(evaluated.eval()(kit.voxels(task.features.to(dtype), place)))

    def train() -> None:
        with kit.at_work(task.device):
            with task.precision():
                features = kit.features(trained.train()(kit.voxels(task.features, place)))
            features.float().square().mean().backward()
        trained.zero_grad()

    def find_maps() -> list[int]:
        with kit.at_work(task.device):
            return kit.find_maps(kit.voxels(task.features, place))

    check_same(evaluated, network, infer(), find_maps(), task)
    with kit.at_work(task.device):
        threads = torch.get_num_threads()
    return Contender(kit.name, threads, {"map": find_maps, "infer": infer, "train": train})


@torch.no_grad()
def check_same(peer: PeerUNet, network: MinkUNet, outputs: Tensor, voxels: list[int], task: Task) -> None:
    """Raises RuntimeError where a peer has other parameters, other voxels or other outputs than ours."""
    maps = KernelMaps()
    expected = network.eval()(task.voxels(maps)).features
    levels = [kernel_map.voxels_out for kernel_map in network_maps(maps, task.coordinates) if kernel_map.symmetric][::2]
    sizes = [sum(parameter.numel() for parameter in either.parameters()) for either in (peer, network)]
    error = float((outputs - expected).abs().max() / expected.abs().max())
    tolerance = 1e-4 if task.dtype == "float32" else 0.1
    if sizes[0] != sizes[1] or voxels != levels or not error < tolerance:
        raise RuntimeError(
            f"{peer.kit.name} computes something else: {sizes[0]} parameters, {voxels} voxels by level, outputs off by "
            f"{error:.1e} of the largest; expected {sizes[1]}, {levels}, less than {tolerance}"
        )
