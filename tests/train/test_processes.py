"""Oracle: one process that holds what two processes share. Batch norm, gradients and sums must be the same."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from lima.sparse.modules import SparseBatchNorm
from lima.sparse.tensor import SparseTensor
from lima.train.norm import SynchronisedBatchNorm, synchronise_batch_norms
from lima.train.processes import ALONE, Processes, check_alone, start_processes
from tests.train.free_port import free_port

ROWS_OF_RANK = (7, 4)


def in_rank(rank: int, port: int, work: Callable[[Processes, Path], None], folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with start_processes() as processes:
        work(processes, folder)


def in_two_processes(work: Callable[[Processes, Path], None], folder: Path) -> None:
    torch.multiprocessing.spawn(in_rank, (free_port(), work, folder), nprocs=2)


def make_network() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4), nn.BatchNorm1d(4))
    for module in network:
        if isinstance(module, nn.BatchNorm1d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.double()


def make_rows() -> torch.Tensor:
    return torch.randn(sum(ROWS_OF_RANK), 3, generator=torch.Generator().manual_seed(1)).double() + 5


def train_briefly(network: nn.Sequential, rows: torch.Tensor, processes: Processes) -> dict[str, torch.Tensor]:
    rows = rows.clone().requires_grad_()
    for _ in range(3):
        network.zero_grad()
        output = network(rows)
        (output * torch.arange(4)).tanh().square().sum().backward()
        processes.sum_gradients(network.parameters())
        with torch.no_grad():
            for parameter in network.parameters():
                assert parameter.grad is not None
                parameter -= 0.01 * parameter.grad
    assert rows.grad is not None
    state = {**network.state_dict(), "output": output.detach(), "rows": rows.grad}
    return {name: value.clone() for name, value in state.items()}


def train_share(processes: Processes, folder: Path) -> None:
    network = make_network()
    synchronise_batch_norms(network)
    share = make_rows().split(list(ROWS_OF_RANK))[processes.rank]
    torch.save(train_briefly(network, share, processes), folder / f"train-{processes.rank}.pt")

    unused, nobodys = nn.Linear(2, 1), nn.Linear(2, 1)  # the first has a gradient in the second process only
    if processes.rank == 1:
        unused(torch.ones(3, 2)).sum().backward()
    processes.sum_gradients([*unused.parameters(), *nobodys.parameters()])
    assert unused.weight.grad is not None
    assert nobodys.weight.grad is None
    own = torch.arange(2.0 * (3 - 2 * processes.rank)).view(-1, 2) + 10 * processes.rank
    own.requires_grad_()
    rows = processes.gathered_rows(own)
    (rows.square().sum() / 2).backward()  # its share of what both compute alike
    assert own.grad is not None
    answers = {
        "sums": processes.sums([1.0, 10.0 * processes.rank]),
        "agree": processes.agree(5 - processes.rank),
        "unused": unused.weight.grad.tolist(),
        "total": processes.total(torch.tensor([1, processes.rank])).tolist(),
        "gathered": processes.gathered("ab"[processes.rank]),
        "rows": rows.tolist(),
        "none from the first": processes.gathered_rows(torch.full((processes.rank,), 7)).tolist(),
    }
    torch.testing.assert_close(own.grad, 2 * own.detach())
    (folder / f"{processes.rank}.json").write_text(json.dumps(answers))


def make_maps() -> torch.Tensor:
    return torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(2)).double() + 3


def train_on_maps(network: nn.Sequential, maps: torch.Tensor, processes: Processes) -> dict[str, torch.Tensor]:
    maps = maps.clone().requires_grad_()
    output = network(maps)
    (output * torch.arange(6)).tanh().square().sum().backward()
    processes.sum_gradients(network.parameters())
    assert maps.grad is not None
    grads = {f"grad {name}": parameter.grad for name, parameter in network.named_parameters()}
    return {**network.state_dict(), **grads, "output": output.detach(), "maps": maps.grad}


def norm_of_maps() -> nn.Sequential:
    torch.manual_seed(3)
    network = nn.Sequential(nn.BatchNorm2d(4, eps=1e-3, momentum=0.3))
    nn.init.normal_(network[0].weight)
    return network.double()


def normalise_maps(processes: Processes, folder: Path) -> None:
    """One sweep in the first process, two in the second."""
    network = norm_of_maps()
    synchronise_batch_norms(network)
    share = make_maps()[processes.share(3).start : processes.share(3).stop]
    torch.save(train_on_maps(network, share, processes), folder / f"maps-{processes.rank}.pt")


def normalise_few(processes: Processes, folder: Path) -> None:
    network = nn.Sequential(SparseBatchNorm(2))
    synchronise_batch_norms(network)
    outputs = []
    for rows in ((1, 0), (2, 0), (0, 3)):
        own = torch.arange(2.0 * rows[processes.rank]).view(-1, 2)
        voxels = SparseTensor(own, torch.zeros(len(own), 4, dtype=torch.int64))
        outputs.append(network(voxels).features.detach())
    torch.save({"outputs": outputs, **network.state_dict()}, folder / f"few-{processes.rank}.pt")


def both(processes: Processes, folder: Path) -> None:
    train_share(processes, folder)
    normalise_few(processes, folder)
    normalise_maps(processes, folder)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what two processes answered."""
    folder = tmp_path_factory.mktemp("processes")
    in_two_processes(both, folder)
    return folder


def test_two_processes_equal_one(two_processes: Path) -> None:
    shares = [torch.load(two_processes / f"train-{rank}.pt", weights_only=True) for rank in range(2)]
    alone = train_briefly(make_network(), make_rows(), Processes(0, 1, torch.device("cpu")))
    for name, value in alone.items():
        if name in ("output", "rows"):
            both = torch.cat([share[name] for share in shares])
        else:
            assert torch.equal(shares[0][name], shares[1][name]), name
            both = shares[0][name]
        torch.testing.assert_close(both, value, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")
    for rank in range(2):
        answers = json.loads((two_processes / f"{rank}.json").read_text())
        assert answers == {
            "sums": [2.0, 10.0],
            "agree": 5,
            "unused": [[3.0, 3.0]],
            "total": [2, 1],
            "gathered": ["a", "b"],
            "rows": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [10.0, 11.0]],
            "none from the first": [7],
        }


def test_norms_of_maps_take_the_cells_of_all_processes(two_processes: Path) -> None:
    shares = [torch.load(two_processes / f"maps-{rank}.pt", weights_only=True) for rank in range(2)]
    alone = train_on_maps(norm_of_maps(), make_maps(), ALONE)
    assert shares[0].keys() == alone.keys()
    for name, value in alone.items():
        whole = name in ("output", "maps")
        both = torch.cat([share[name] for share in shares]) if whole else shares[0][name]
        torch.testing.assert_close(both, value, rtol=1e-9, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(("count", "world_size"), [(0, 2), (1, 3), (7, 3), (16, 8), (5, 8)])
def test_shares_are_blocks_of_about_equal_length(count: int, world_size: int) -> None:
    shares = [Processes(rank, world_size, torch.device("cpu")).share(count) for rank in range(world_size)]
    assert [number for share in shares for number in share] == list(range(count))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_commands_for_one_process_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check_alone("these commands", "leave torchrun out")
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(ValueError, match="these commands run in one process, 8 were started: leave torchrun out"):
        check_alone("these commands", "leave torchrun out")


def test_processes_without_rows_and_a_single_row_in_all(two_processes: Path) -> None:
    alone = SparseBatchNorm(2)
    expected = []
    for rows in (1, 2, 3):
        own = torch.arange(2.0 * rows).view(-1, 2)
        expected.append(alone(SparseTensor(own, torch.zeros(rows, 4, dtype=torch.int64))).features.detach())
    shares = [torch.load(two_processes / f"few-{rank}.pt", weights_only=True) for rank in range(2)]
    for step, rank in enumerate((0, 0, 1)):
        torch.testing.assert_close(shares[rank]["outputs"][step], expected[step])
        assert len(shares[1 - rank]["outputs"][step]) == 0
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(shares[0][f"0.{name}"], value, msg=lambda text, name=name: f"{name}: {text}")
        assert torch.equal(shares[0][f"0.{name}"], shares[1][f"0.{name}"])


def test_exchanged_norms_keep_parameters_names_and_evaluation() -> None:
    network = make_network()
    network(make_rows())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    parameters = dict(network.named_parameters())
    expected = network.eval()(make_rows())
    synchronise_batch_norms(network)
    assert isinstance(network[1], SynchronisedBatchNorm)
    assert not network[1].training
    assert all(parameter is parameters[name] for name, parameter in network.named_parameters())
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(network(make_rows()), expected)


def test_alone_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with start_processes("cpu") as processes:
        assert processes == Processes(0, 1, torch.device("cpu"))
        assert processes.first
        assert processes.sums([3.0]) == [3.0]
        assert processes.agree(4) == 4


def test_more_processes_than_gpus_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with (
        pytest.raises(ValueError, match="process 1 of this machine has no GPU of its own, there are 1"),
        start_processes(),
    ):
        pass
