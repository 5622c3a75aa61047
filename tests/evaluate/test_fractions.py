"""Oracle: SLidR's rules written down anew (a counter over scenes, a sorted list of files), and lists by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lima.datasets import open_dataset
from lima.datasets.label_maps import label_map
from lima.datasets.parts import SequencePart
from lima.evaluate.fractions import LabelFraction, LabelList, check_one_rule, hash_of_tokens
from lima.scene import Frame, Sequence
from tests.datasets.kitti_hand_made import SCANS, write_scans


@dataclass(frozen=True)
class Named:
    """A sequence of which only the tokens are looked at."""

    name: str
    frames: int

    @property
    def tokens(self) -> list[str]:
        return [f"{self.name}/{index:06d}" for index in range(self.frames)]

    @property
    def timestamps_ns(self) -> list[int]:
        return list(range(self.frames))

    def __len__(self) -> int:
        return self.frames

    def frame(self, index: int) -> Frame:
        raise AssertionError("a list of labels reads no frame")


def listed(text: str, sequences: list[Sequence]) -> list[str]:
    return LabelList(LabelFraction.parse(text), sequences, "made up", "train").tokens


def test_one_percent_of_nuscenes_is_seven_scenes() -> None:
    scenes: list[Sequence] = [Named(f"scene-{number:04d}", 2) for number in range(1, 701)]
    kept: list[str] = []
    for counter, scene in enumerate(scenes, start=1):  # the rule: count the split's scenes, keep where it divides
        if counter % 100 == 0:
            kept += list(scene.tokens)
    assert listed("scene-1in100", scenes) == kept
    assert len(kept) == 7 * 2
    assert kept[0] == "scene-0100/000000"
    for one_in, count in ((20, 35), (10, 70), (4, 175)):
        assert len(listed(f"scene-1in{one_in}", scenes)) == 2 * count


def test_the_order_is_the_dataset_s_and_not_that_of_the_names() -> None:
    scenes: list[Sequence] = [Named(name, 1) for name in ("scene-9", "scene-1", "scene-5", "scene-3")]
    assert listed("scene-1in2", scenes) == ["scene-1/000000", "scene-3/000000"]


@given(
    lengths=st.lists(st.integers(min_value=1, max_value=40), min_size=1, max_size=6),
    one_in=st.integers(min_value=1, max_value=50),
)
def test_scans_are_every_nth_of_the_sorted_list(lengths: list[int], one_in: int) -> None:
    sequences: list[Sequence] = [Named(f"{number:02d}", length) for number, length in enumerate(lengths)]
    files = sorted(token for sequence in sequences for token in sequence.tokens)
    assert listed(f"scan-1in{one_in}", sequences) == files[::one_in]


def test_a_scene_split_at_a_gap_counts_once() -> None:
    first = Named("scene-1", 4)
    halves = [SequencePart(first, 2 * half, 2 * half + 2, f"scene-1 part {half + 1}") for half in (0, 1)]
    parts: list[Sequence] = [*halves, Named("scene-2", 2), Named("scene-3", 2)]
    assert listed("scene-1in2", parts) == ["scene-2/000000", "scene-2/000001"]
    assert listed("scene-1in1", parts) == [token for part in parts for token in part.tokens]


@pytest.mark.parametrize("posed", [(), ("04",)])
def test_scans_without_poses_are_of_the_scene_that_was_driven(tmp_path: Path, posed: tuple[str, ...]) -> None:
    """SynLiDAR has no poses, whoever computes them does it drive by drive; the rules are those of the files."""
    names = ("02", "04", "06")
    for drive, name in enumerate(names):
        write_scans(tmp_path / name, drive, tuple(label_map("synlidar").ids))
    (tmp_path / "annotations.yaml").write_text("labels:\n")
    (tmp_path / "splits.json").write_text(json.dumps({"train": names}))
    for name in posed:
        (tmp_path / name / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n" * SCANS)
    sequences = open_dataset(tmp_path).sequences("train")
    files = [f"{name}/{scan:06d}" for name in names for scan in range(SCANS)]
    assert listed("all", sequences) == files
    assert listed("scene-1in2", sequences) == [file for file in files if file.startswith("04/")]
    assert listed("scan-1in3", sequences) == files[::3]
    with pytest.raises(ValueError, match="scene-1in4 keeps no scene: the split has 3"):
        listed("scene-1in4", sequences)


def test_everything_is_everything() -> None:
    sequences: list[Sequence] = [Named("a", 3), Named("b", 2)]
    assert len(listed("all", sequences)) == 5
    assert LabelFraction.parse("all").percent == 100
    assert LabelFraction.parse("scene-1in20").percent == 5
    assert [str(LabelFraction.parse(text)) for text in ("all", "scan-1in7")] == ["all", "scan-1in7"]


def test_what_is_written_names_every_token() -> None:
    labels = LabelList(LabelFraction.parse("scan-1in2"), [Named("a", 3), Named("b", 2)], "made up", "train")
    told = json.loads(labels.as_json())
    assert told["tokens"] == {"a": ["a/000000", "a/000002"], "b": ["b/000001"]}
    assert told["keyframes"] == 3
    assert told["hash"] == labels.summary()["hash"] == hash_of_tokens(["a/000000", "a/000002", "b/000001"])
    assert len(told["hash"]) == 16
    others = LabelList(LabelFraction.parse("scan-1in3"), [Named("a", 3), Named("b", 2)], "made up", "train")
    assert others.hash != labels.hash
    assert hash_of_tokens(["ab"]) != hash_of_tokens(["a", "b"])


@pytest.mark.parametrize("text", ["1%", "scene-1in0", "frame-1in10", "scene-in10", "", "ALL"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="labels are all, scene-1inN or scan-1inN, got"):
        LabelFraction.parse(text)


def test_too_few_scenes_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"scene-1in9 keeps no scene: the split has 2, so at most scene-1in2"):
        listed("scene-1in9", [Named("a", 3), Named("b", 2)])
    with pytest.raises(ValueError, match="split 'train' of made up has no frames"):
        listed("all", [])


def test_scenes_and_scans_never_share_a_table() -> None:
    check_one_rule(["scene-1in100", "scene-1in4", "all"])
    check_one_rule(["scan-1in100", "all"])
    with pytest.raises(ValueError, match="scene-1in100 and scan-1in10 cannot share a table"):
        check_one_rule(["scene-1in100", "all", "scan-1in10"])
