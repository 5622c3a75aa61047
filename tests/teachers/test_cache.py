"""Oracle: what the teacher gives, rounded to half precision. The cache must change nothing, whatever happens to it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from lima.teachers import filling
from lima.teachers.cache import FeatureCache
from lima.teachers.images import resized
from lima.teachers.teacher import Teacher
from tests.teachers.drives import CAMERAS, Drive, MeanColour, frame_of

SIZE_PX = (32, 64)


def cache_in(folder: Path, teacher: Teacher | None = None, size_px: tuple[int, int] = SIZE_PX) -> FeatureCache:
    return FeatureCache(folder, teacher or MeanColour(), *size_px)


def looked_at(index: int) -> torch.Tensor:
    """By definition: every image resized, then the teacher, then rounded."""
    images = [resized(image.read_pixels(), *SIZE_PX) for image in frame_of("any", seed=index).images]
    return MeanColour().features(torch.stack(images)).half().float()


def test_what_is_read_is_what_was_computed(tmp_path: Path) -> None:
    teacher = MeanColour()
    cache = cache_in(tmp_path, teacher)
    computed = cache.features(frame_of("a", seed=3))
    read = cache.features(frame_of("a", seed=3))
    assert teacher.looks == 1
    assert torch.equal(computed, looked_at(3))
    assert torch.equal(read, computed)
    assert read.shape == (3, 3, 4, 8)


def test_another_process_later_reads_it_without_looking(tmp_path: Path) -> None:
    cache_in(tmp_path).features(frame_of("a"))
    teacher = MeanColour()
    cache_in(tmp_path, teacher).features(frame_of("a"))
    assert teacher.looks == 0


def test_fill_looks_at_every_frame_once_and_says_the_cost_first(tmp_path: Path) -> None:
    teacher = MeanColour()
    cache = cache_in(tmp_path, teacher)
    drives = [Drive("one", 4), Drive("two", 3)]
    console = Console(record=True, width=400, file=io.StringIO())
    cache.fill(drives, console)
    said = console.export_text()
    assert teacher.looks == 7
    assert "7 of 7 frames" in said
    assert "MB, about 0 s" in said
    assert str(cache.folder) in said
    cache.fill(drives, console)
    assert teacher.looks == 7
    for drive in drives:
        for index in range(len(drive)):
            assert torch.equal(cache.features(drive.frame(index)), looked_at(index))
    assert teacher.looks == 7


def test_fill_computes_only_what_is_missing(tmp_path: Path) -> None:
    teacher = MeanColour()
    cache = cache_in(tmp_path, teacher)
    drive = Drive("one", 5)
    cache.features(drive.frame(2))
    assert [index for _, index in cache.missing([drive])] == [0, 1, 3, 4]
    cache.fill([drive], Console(quiet=True))
    assert teacher.looks == 5


def test_tokens_may_hold_slashes_and_never_leave_the_folder(tmp_path: Path) -> None:
    cache = cache_in(tmp_path / "cache")
    for token in ("00/000123", "../../escape", "a b%2F"):
        cache.features(frame_of(token))
    assert len(list(cache.folder.iterdir())) == 3
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "foreign", "shape", "teacher"])
def test_a_damaged_file_is_named_and_made_again(tmp_path: Path, harm: str) -> None:
    cache = cache_in(tmp_path)
    expected = cache.features(frame_of("a"))
    path = cache.path("a")
    content = path.read_bytes()
    if harm == "truncate":
        path.write_bytes(content[:-10])
    elif harm == "flip":
        path.write_bytes(content[:-10] + bytes([content[-10] ^ 1]) + content[-9:])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "foreign":
        save_file({"features": load_file(path)["features"]}, path)
    elif harm == "shape":
        other = cache_in(tmp_path, size_px=(32, 32))
        other.features(frame_of("a"))
        path.write_bytes(other.path("a").read_bytes())
    else:
        path.write_bytes(content.replace(MeanColour.key.encode(), b"f" * 64))
    with pytest.warns(UserWarning, match=rf"{path.name} is damaged.*computed again"):
        assert torch.equal(cache.features(frame_of("a")), expected)
    assert torch.equal(cache.features(frame_of("a")), expected)


def test_image_sizes_and_teachers_do_not_meet(tmp_path: Path) -> None:
    small, large = cache_in(tmp_path), cache_in(tmp_path, size_px=(64, 96))
    assert small.features(frame_of("a")).shape == (3, 3, 4, 8)
    assert large.features(frame_of("a")).shape == (3, 3, 8, 12)
    other = MeanColour()
    other.key = "f" * 64
    cache_in(tmp_path, other).features(frame_of("a"))
    assert other.looks == 1


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (frame_of("a", cameras=CAMERAS[:2]), "has cameras front, left, back, the frame has front, left"),
        (frame_of("a", cameras=("left", "front", "back")), "the frame has left, front, back"),
        (frame_of("a", seed=1), "at other times"),
        (frame_of("a", moved_m=0.5), "from other places"),
    ],
)
def test_features_of_other_cameras_are_refused(tmp_path: Path, frame: object, message: str) -> None:
    cache = cache_in(tmp_path)
    cache.features(frame_of("a"))
    with pytest.raises(ValueError, match=message) as caught:
        cache.features(frame)  # type: ignore[arg-type]
    assert "a.safetensors" in str(caught.value)
    assert "remove" in str(caught.value)


def test_what_half_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    for factor in (1e6, float("nan")):
        with pytest.raises(ValueError, match="half precision"):
            cache_in(tmp_path, MeanColour(factor=factor)).features(frame_of("a"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_fill_refuses_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling.shutil, "disk_usage", lambda _folder: type("Usage", (), {"free": 100})())
    with pytest.raises(OSError, match=r"need .* GB and .* has 0.0 GB left"):
        cache_in(tmp_path).fill([Drive("one", 8)], Console(quiet=True))


def test_old_leftovers_of_killed_processes_go(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.folder.mkdir(parents=True)
    old, young = cache.folder / ".1-a.partial", cache.folder / ".2-b.partial"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.fill([Drive("one", 1)], Console(quiet=True))
    assert not old.exists()
    assert young.exists()


FILLER = """
import sys, time
from pathlib import Path
from rich.console import Console
from lima.teachers.cache import FeatureCache
from tests.teachers.drives import Drive, MeanColour

class Slow(MeanColour):
    def features(self, pixels):
        time.sleep(float(sys.argv[2]))
        return super().features(pixels)

teacher = Slow()
FeatureCache(Path(sys.argv[1]), teacher, 32, 64).fill([Drive("one", 30)], Console(quiet=True))
print(teacher.looks)
"""


def start_filling(folder: Path, seconds_per_frame: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", FILLER, str(folder), str(seconds_per_frame)],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_share_the_work_and_agree(tmp_path: Path) -> None:
    processes = [start_filling(tmp_path, 0.1) for _ in range(2)]
    looks = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(looks) >= 30
    teacher = MeanColour()
    cache = cache_in(tmp_path, teacher)
    for index in range(30):
        assert torch.equal(cache.features(Drive("one", 30).frame(index)), looked_at(index))
    assert teacher.looks == 0
    assert not list(cache.folder.glob(".*"))


@pytest.mark.slow
def test_kill_in_the_middle_leaves_whole_files_and_the_rest_is_filled(tmp_path: Path) -> None:
    process = start_filling(tmp_path, 0.05)
    folder = cache_in(tmp_path).folder
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s and (not folder.exists() or len(list(folder.glob("*.safetensors"))) < 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    teacher = MeanColour()
    cache = cache_in(tmp_path, teacher)
    done = 30 - len(cache.missing([Drive("one", 30)]))
    assert 5 <= done < 30
    cache.fill([Drive("one", 30)], Console(quiet=True))
    assert teacher.looks == 30 - done
    for index in range(30):
        assert torch.equal(cache.features(Drive("one", 30).frame(index)), looked_at(index))
    assert teacher.looks == 30 - done


def test_the_cost_in_words() -> None:
    assert filling.cost_in_words(1_230_000, 4.2) == "1.2 MB, about 4 s"
    assert filling.cost_in_words(31_000_000_000, 5400.0) == "31.00 GB, about 90.0 min"


def test_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "SECONDS_PER_LINE", 0.0)
    console = Console(record=True, force_terminal=False, file=io.StringIO())
    assert list(filling.counted(range(3), 3, "frames", console)) == [0, 1, 2]
    assert console.export_text().splitlines() == ["frames: 1 of 3", "frames: 2 of 3", "frames: 3 of 3"]


def test_reading_ahead_keeps_the_order_and_passes_errors_on() -> None:
    def read(place: int) -> int:
        if place == 5:
            raise ValueError("place 5 cannot be read")
        time.sleep(0.01 * (place % 2))
        return place * place

    assert list(filling.read_ahead(range(5), read, readers=3)) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="place 5"):
        list(filling.read_ahead(range(9), read, readers=3))
