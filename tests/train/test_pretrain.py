"""Oracle: the same run in another way. Stopped and resumed, in two processes, with another number of threads ahead.

Runs on made-up drives of a few hundred points (`drives.py`); where bits are compared, everything is on one thread.
"""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lima.config import PretrainConfig
from lima.encoder import load_encoder
from lima.scene import Frame
from lima.train.interruption import Interrupted
from lima.train.loader import Loader, Teaching
from lima.train.pretrain import pretrain_on
from lima.train.processes import Processes, start_processes
from lima.train.run_folder import RunFolder, open_run_folder
from lima.train.stopwatch import Stopwatch
from lima.train.trainer import Trainer
from tests.train.drives import DIM, Drive, image_features, small_config
from tests.train.free_port import free_port

DRIVES = (Drive("a", 5), Drive("b", 3), Drive("c", 4))
STEPS = 12  # 2 epochs of 12 keyframes on 2 lanes


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(
    out: Path,
    config: PretrainConfig,
    features: Callable[[Frame], Tensor] = image_features,
    drives: tuple[Drive, ...] = DRIVES,
    resume: bool = False,
) -> None:
    with start_processes("cpu") as processes:
        run_in(processes, out, config, features, drives, resume)


def run_in(
    processes: Processes,
    out: Path,
    config: PretrainConfig,
    features: Callable[[Frame], Tensor] = image_features,
    drives: tuple[Drive, ...] = DRIVES,
    resume: bool = False,
) -> None:
    if processes.first:
        open_run_folder(out, Path("drives"), config, [t for drive in drives for t in drive.tokens], resume)
    processes.wait_for_all()
    pretrain_on(drives, Teaching("plane", DIM, features), RunFolder(out), config, processes)


def weights(out: Path) -> dict[str, Tensor]:
    last = sorted((out / "checkpoints").iterdir())[-1]
    return torch.load(last / "run.pt", weights_only=True)["weights"]


def log(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def timeless(records: list[dict]) -> list[dict]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def assert_same_weights(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(out, small_config())
    return out


@pytest.fixture(scope="module")
def children() -> ForkServerContext:
    """Makes processes of their own quickly: one that has imported everything already forks them."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.train.test_pretrain"])
    return context


def test_a_run_leaves_a_log_two_checkpoints_and_an_encoder(whole_run: Path) -> None:
    assert {path.name for path in whole_run.iterdir()} == {
        "config.json", "log.jsonl", "checkpoints", "student.safetensors", "student.json"
    }  # fmt: skip
    assert [path.name for path in sorted((whole_run / "checkpoints").iterdir())] == ["step-00000008", "step-00000012"]
    records = log(whole_run)
    assert [record["step"] for record in records] == list(range(1, STEPS + 1))
    assert records[-1]["epoch"] == 2
    assert all(record["points"] == 600 for record in records)
    assert all(0.1 < record["known_share"] < 0.9 for record in records)
    assert all(
        record["loss"]["total"] == record["loss"]["distillation"] + record["loss"]["mixed"] for record in records
    )
    assert records[0]["seconds"].keys() >= {"waiting", "targets", "student", "backward", "optimiser", "reading"}
    trained = weights(whole_run)
    for name, value in load_encoder(whole_run).student.state_dict().items():
        assert torch.equal(value, trained[f"student.{name}"])


def test_same_seed_same_run_other_seed_another(whole_run: Path, tmp_path: Path) -> None:
    run(tmp_path / "again", small_config())
    assert_same_weights(weights(tmp_path / "again"), weights(whole_run))
    assert timeless(log(tmp_path / "again")) == timeless(log(whole_run))
    run(tmp_path / "other", replace(small_config(epochs=1), seed=1))
    assert log(tmp_path / "other")[0]["loss"] != log(whole_run)[0]["loss"]


class StopAt:
    """Image features that send a signal to their own process when they are asked for the n-th time."""

    def __init__(self, call: int, number: int) -> None:
        self.calls, self.call, self.number = 0, call, number

    def __call__(self, frame: Frame) -> Tensor:
        self.calls += 1
        if self.calls == self.call:
            os.kill(os.getpid(), self.number)
        return image_features(frame)


def child(out: Path, features: Callable[[Frame], Tensor]) -> None:
    """What the command line does with an interruption."""
    torch.set_num_threads(1)
    try:
        run(out, small_config(), features)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_stopped_and_resumed_equals_never_stopped(
    whole_run: Path, tmp_path: Path, children: ForkServerContext, number: signal.Signals, exit_code: int
) -> None:
    process = children.Process(target=child, args=(tmp_path / "run", StopAt(21, number)))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == exit_code
    stopped_at = sorted((tmp_path / "run" / "checkpoints").glob("step-*[0-9]"))[-1].name
    # Killed, the last checkpoint is the last regular one; otherwise it is that of the step that was being made.
    assert (
        (stopped_at == "step-00000008")
        if number == signal.SIGKILL
        else ("step-00000004" < stopped_at < "step-00000012")
    )
    assert not (tmp_path / "run" / "student.safetensors").exists()
    run(tmp_path / "run", small_config(), resume=True)
    assert_same_weights(weights(tmp_path / "run"), weights(whole_run))
    assert timeless(log(tmp_path / "run")) == timeless(log(whole_run))


def test_a_damaged_checkpoint_is_passed_over_with_a_word(
    whole_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Interrupted, match=r"SIGTERM: stopped after step \d+ of 12, checkpoint written; .* --resume"):
        run(tmp_path, small_config(), StopAt(21, signal.SIGTERM))
    last = sorted((tmp_path / "checkpoints").iterdir())[-1]
    (last / "run.pt").write_bytes((last / "run.pt").read_bytes()[:1000])
    run(tmp_path, small_config(), resume=True)
    assert "run.pt has 1000 bytes instead of" in capsys.readouterr().out
    assert_same_weights(weights(tmp_path), weights(whole_run))
    assert timeless(log(tmp_path)) == timeless(log(whole_run))


def test_resuming_a_finished_run_changes_nothing(whole_run: Path) -> None:
    before = weights(whole_run)
    run(whole_run, small_config(), resume=True)
    assert_same_weights(weights(whole_run), before)
    assert [record["step"] for record in log(whole_run)] == list(range(1, STEPS + 1))


def test_resume_without_a_run_begins_one(tmp_path: Path) -> None:
    run(tmp_path / "run", small_config(epochs=1), resume=True)
    assert len(log(tmp_path / "run")) == 6


def test_a_loss_that_is_not_a_number_names_step_and_frames(tmp_path: Path) -> None:
    def broken(frame: Frame) -> Tensor:
        return image_features(frame) * (torch.nan if frame.token == "b-1" else 1)

    with pytest.raises(ValueError, match=r"the loss of step \d+ is nan; the frames are .*b-1.*: look at these frames"):
        run(tmp_path, small_config(), broken)
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_one_frame_is_learned_by_heart(tmp_path: Path) -> None:
    config = small_config(epochs=80, lanes=1)
    config = replace(
        config,
        method=replace(config.method, frames=1, mixing="none"),
        student=replace(config.student, voxel_size_m=0.5, width=0.25),
        checkpoint_every_steps=1000,
    )
    run(tmp_path, config, drives=(Drive("a", 1, points=60),))
    losses = [record["loss"]["total"] for record in log(tmp_path)]
    assert sum(losses[-5:]) / 5 < 0.35 * losses[0]


def train_in_double_precision(processes: Processes) -> dict[str, Tensor]:
    """The state after the steps of an epoch, with weights in which rounding cannot hide a mistake."""
    config = small_config(lanes=4)
    trainer = Trainer([len(drive) for drive in DRIVES], DIM, config, processes)
    trainer.method.double()
    with Loader(DRIVES, trainer.lanes, trainer.own, image_features, occlusion_test=False) as loader:
        reports = [trainer.train(loader.next(), Stopwatch()) for _ in range(4)]
    losses = torch.tensor([report.loss["total"] for report in reports], dtype=torch.float64)
    return {**trainer.method.state_dict(), "losses": losses}


def rank_of_two(out: Path, rank: int, port: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with start_processes("cpu") as processes:
        torch.save(train_in_double_precision(processes), out / f"double-{rank}.pt")
        run_in(processes, out / "two", replace(small_config(lanes=4), checkpoint_every_steps=3))


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory, children: ForkServerContext) -> Path:
    """What two processes left: `double-….pt` of each and the run `two`."""
    out, port = tmp_path_factory.mktemp("two"), free_port()
    ranks = [children.Process(target=rank_of_two, args=(out, rank, port)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=120)
        assert process.exitcode == 0
    return out


def test_two_processes_equal_one(two_processes: Path) -> None:
    one = train_in_double_precision(Processes(0, 1, torch.device("cpu")))
    for rank in range(2):
        two = torch.load(two_processes / f"double-{rank}.pt", weights_only=True)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, rtol=1e-7, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}")


def test_a_run_of_two_processes_goes_on_in_one(two_processes: Path, tmp_path: Path) -> None:
    shutil.copytree(two_processes / "two", tmp_path / "two")
    shutil.rmtree(tmp_path / "two" / "checkpoints" / "step-00000006")
    run(tmp_path / "two", replace(small_config(lanes=4), checkpoint_every_steps=3), resume=True)
    together, alone = log(two_processes / "two"), log(tmp_path / "two")
    assert [record["step"] for record in alone] == [record["step"] for record in together] == list(range(1, 7))
    for left, right in zip(together, alone, strict=True):
        assert left["points"] == right["points"] == 1200
        assert left["known_share"] == right["known_share"]
        assert left["loss"]["total"] == pytest.approx(right["loss"]["total"], rel=1e-3)
