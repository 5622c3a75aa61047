"""Oracle: the promise in the description. A checkpoint is whole or absent, whatever happens to its files."""

from pathlib import Path

import pytest
import torch

from lima.train.checkpoint import Checkpoint, find_fault, read_last_checkpoint, write_checkpoint
from lima.train.processes import Processes

ALONE = Processes(0, 1, torch.device("cpu"))


def make_checkpoint(step: int) -> Checkpoint:
    weights = {"weight": torch.full((1000,), float(step))}
    return Checkpoint(step, {"model": weights, "words": ["a", {"b": 1.5}]}, {2: {"sum": torch.ones(3) * step}, 3: {}})


def read(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    said: list[str] = []
    return read_last_checkpoint(folder, range(2, 4), ALONE, said.append), said


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, make_checkpoint(7), ALONE)
    found, said = read(tmp_path)
    assert found is not None
    assert not said
    assert found.step == 7
    assert torch.equal(found.run["model"]["weight"], torch.full((1000,), 7.0))
    assert found.run["words"] == ["a", {"b": 1.5}]
    assert torch.equal(found.lanes[2]["sum"], torch.full((3,), 7.0))
    assert found.lanes[3] == {}


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (8, 9, 10, 100):
        write_checkpoint(tmp_path, make_checkpoint(step), ALONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000100"]


def test_nothing_there_is_nothing_found(tmp_path: Path) -> None:
    assert read(tmp_path / "checkpoints") == (None, [])


def damage_truncate(folder: Path) -> None:
    file = folder / "lane-0002.pt"
    file.write_bytes(file.read_bytes()[:-100])


def damage_flip(folder: Path) -> None:
    content = bytearray((folder / "run.pt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "run.pt").write_bytes(content)


def damage_remove(folder: Path) -> None:
    (folder / "lane-0003.pt").unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"run.pt": ')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_truncate, "lane-0002.pt has .* bytes instead of"),
        (damage_flip, "run.pt is damaged"),
        (damage_remove, "lane-0003.pt is missing"),
        (damage_manifest, "manifest.json is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path, damage, words: str) -> None:
    write_checkpoint(tmp_path, make_checkpoint(1), ALONE)
    damage(write_checkpoint(tmp_path, make_checkpoint(2), ALONE))
    found, said = read(tmp_path)
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert "step-00000002 cannot be used" in said[0]
    with pytest.raises(AssertionError, match=words):
        assert find_fault(tmp_path / "step-00000002") is None, find_fault(tmp_path / "step-00000002")


def test_killed_while_writing_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, make_checkpoint(1), ALONE)

    def killed(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            write_checkpoint(tmp_path, make_checkpoint(2), ALONE)
    found, said = read(tmp_path)
    assert found is not None
    assert (found.step, said) == (1, [])
    write_checkpoint(tmp_path, make_checkpoint(2), ALONE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_a_checkpoint_runs_no_code_when_read(tmp_path: Path) -> None:
    """Files are loaded as weights only: anything but tensors and plain values is refused when it comes back."""
    write_checkpoint(tmp_path, Checkpoint(1, {"model": Path("x")}, {2: {}, 3: {}}), ALONE)
    with pytest.raises(Exception, match="Weights only load failed"):
        read(tmp_path)
