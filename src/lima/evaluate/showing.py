"""The pictures' way from a run and its data: which frame, which students, and their features made comparable."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lima.config import PretrainConfig, ProbeConfig, TeacherConfig
from lima.datasets.readable import opened
from lima.evaluate.colouring import LinearMap, PrincipalColours
from lima.evaluate.exhibit import Exhibit, choose_frame, choose_queries, gather
from lima.evaluate.page import Section, paragraph
from lima.evaluate.plates import Student, class_plate, component_plate, coverage_plate, likeness_plate
from lima.evaluate.probe import probe_split
from lima.evaluate.probe_features import FeatureSource, unified_features
from lima.scene import Dataset, Frame, Sequence
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.teachers.images import resized

FRAMES_TO_FIT = 4

Predict = Callable[[Float[Tensor, "points dim"]], Int64[Tensor, "points"]]


@dataclass(frozen=True, eq=False)
class Shown:
    """A student that goes into the pictures. predict: its linear probe, or None where it was not probed."""

    name: str
    source: FeatureSource
    predict: Predict | None


def picture_sections(data: Path, cache: Path, config: PretrainConfig, shown: Series[Shown]) -> list[Section]:
    """All pictures of one validation frame. The teacher looks at what its cache does not hold."""
    with opened(data, config.at_gap, config.skip_bad) as dataset:
        features = _features_of(config.teacher, cache)
        exhibit, where = _exhibit(dataset, features, config)
        fitting = [frame for frame in _frames_to_fit(dataset, config.split) if frame.token != exhibit.frame.token]
        colours = _teacher_colours(exhibit)
        students = [_student(exhibit, student, fitting or [exhibit.frame], features, config) for student in shown]
        fitted_on = (
            f"{len(fitting)} keyframes of the drives that the students learned from, not the one shown"
            if fitting
            else "the keyframe shown, because there is no other"
        )
        note = paragraph(f"{where} {_label_words(dataset)}", "soft")
    return [
        Section("classes", "Classes and errors", note + class_plate(exhibit, students)),
        Section("components", "Features as colours", component_plate(exhibit, colours, students, fitted_on)),
        Section("likeness", "Similarity to a point", likeness_plate(exhibit, students, choose_queries(exhibit))),
        Section("coverage", "Where targets come from", coverage_plate(exhibit, config.method.frames)),
    ]


def _features_of(config: TeacherConfig, cache: Path) -> Callable[[Frame], Tensor]:
    """From the cache where pretraining has made one; a page about a few frames is no reason to begin one."""
    teacher = load_teacher(config.name, config.layers, runtime=config.runtime)
    stored = FeatureCache(cache, teacher, config.image_height_px, config.image_width_px)
    if stored.folder.is_dir():
        return stored.features

    def look(frame: Frame) -> Tensor:
        images = [resized(image.read_pixels(), config.image_height_px, config.image_width_px) for image in frame.images]
        return teacher.features(torch.stack(images))

    return look


def _exhibit(dataset: Dataset, features: Callable[[Frame], Tensor], config: PretrainConfig) -> tuple[Exhibit, str]:
    sequences, split = _shown_split(dataset, config)
    sequence, index = choose_frame(sequences, _labels, config.method.frames)
    frame = sequence.frame(index)
    past = (sequence.frame(before) for before in range(max(0, index - config.method.frames + 1), index))
    exhibit = gather(frame, past, dataset.class_names, _labels(frame), features, config.method)
    where = f"All pictures show keyframe {frame.index + 1} of {frame.sequence} ({dataset.name}, {split})"
    return exhibit, where + ("." if exhibit.labels is None else ": of those looked at, the one with the most classes.")


def _shown_split(dataset: Dataset, config: PretrainConfig) -> tuple[list[Sequence], str]:
    """Where a probe is scored, if there is such a place: drives that no probe has learned from."""
    probe_config = ProbeConfig()
    try:
        split = probe_split(dataset, probe_config)
    except ValueError:
        return dataset.sequences(config.split), f"{config.split} split, from which the students have learned"
    if {probe_config.train_split, probe_config.val_split} <= set(dataset.split_names):
        return split.val, f"{probe_config.val_split} split"
    return split.val, "second half of the only drive, whose images and points, but no labels, were learned from"


def _frames_to_fit(dataset: Dataset, split: str) -> list[Frame]:
    """Frames evenly spread over the sequences of the split: from the middle of each."""
    sequences: list[Sequence] = dataset.sequences(split)
    count = min(FRAMES_TO_FIT, len(sequences))
    chosen = [sequences[number * len(sequences) // count] for number in range(count)]
    if count == 1:
        only = chosen[0]
        return [only.frame(number * len(only) // FRAMES_TO_FIT) for number in range(min(FRAMES_TO_FIT, len(only)))]
    return [sequence.frame(len(sequence) // 2) for sequence in chosen]


def _teacher_colours(exhibit: Exhibit) -> PrincipalColours:
    cells = exhibit.image_features.permute(0, 2, 3, 1).flatten(0, 2)
    return PrincipalColours.fit(cells)


def _student(
    exhibit: Exhibit,
    shown: Shown,
    fitting: Series[Frame],
    features: Callable[[Frame], Tensor],
    config: PretrainConfig,
) -> Student:
    unified = unified_features(features, config.method.aggregation, config.method.occlusion_test)
    inputs, outputs = [], []
    for frame in fitting:
        target, read = unified(frame), shown.source(frame)
        both = target.known & read.known
        inputs.append(read.features[both])
        outputs.append(target.features[both])
    to_teacher = LinearMap.fit(torch.cat(inputs), torch.cat(outputs))
    own = shown.source(exhibit.frame)
    return Student(
        name=shown.name,
        features=own.features,
        known=own.known,
        predicted=None if shown.predict is None else shown.predict(own.features),
        mapped=to_teacher.apply(own.features),
    )


def _labels(frame: Frame) -> Tensor | None:
    return None if frame.read_labels is None else frame.read_labels()


def _label_words(dataset: Dataset) -> str:
    """Where the classes come from, when they are not annotated point by point."""
    if getattr(dataset, "label_source", None) == "boxes":
        return (
            "This dataset has boxes but no point labels: points inside a box have the class of its thing, all others "
            "are background. Road, buildings and vegetation are not told apart in the truth."
        )
    return ""
