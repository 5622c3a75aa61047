"""The pictures of a report, each with what is seen on it: classes, principal components, likeness, coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from PIL import Image
from torch import Tensor

from lima.evaluate.colouring import (
    RIGHT,
    VIRIDIS_RGB,
    WRONG,
    PrincipalColours,
    class_colours,
    cosine_to,
    explained_percent,
    scale_colours,
    scale_limits,
)
from lima.evaluate.exhibit import Exhibit, Query
from lima.evaluate.page import (
    Picture,
    colour_bar,
    gallery,
    heading,
    missing,
    paragraph,
    swatches,
    tabs,
    wide_and_narrow,
)
from lima.evaluate.pictures import PAPER, birds_eye, blend_map, faded, mark_query, paint_points, photograph
from lima.scene import CameraImage

CAMERA_WIDTH_PX = 480
QUERY_WIDTH_PX = 640
NOTHING, NOW, MEMORY_ONLY = 0, 1, 2
COVERAGE_RGB = ((120, 128, 136), (47, 158, 110), (224, 138, 30))

CLASS_WORDS = "Each point of the sweep, projected into the cameras and coloured by its class."
PROBED_WORDS = """ Switch between the truth, what a linear layer reads from each student's frozen features, and the
errors: look at small things (pedestrians, cones, bicycles) and at the borders between road, sidewalk and terrain."""
COMPONENT_WORDS = """Colours are the three principal components of the teacher's image features (red, green, blue;
{share} of their variance in this frame). A student has features of another width, and its projection head is dropped
after pretraining, so a linear map stands for the head: least squares from the student's features to the teacher's,
on {fitted_on}. The percentage is R² on the frame shown. Look for the same thing in the same colour in the images and
on the points."""
ABOVE_WORDS = """The same from above, the way ahead up. The teacher knows only what a camera sees now; a student has
features everywhere, and should continue the teacher's colours where no camera looks."""
OWN_WORDS = """And each student's features by principal components of their own, without any map. Hues now mean nothing
across pictures: look for whether surfaces of one kind share a colour and things stand out from the ground."""
LIKENESS_WORDS = """The red point is the query. Above: cosine similarity of the teacher's features all over the image
to its feature at the query. Below, projected and from above: cosine similarity of every LiDAR point's feature to the
query's, the student's features brought to the teacher's by the linear map of the pictures before. From both the mean
over the frame is taken off, so that what all features share does not make everything alike. A good student lights up
the same kind of thing as the teacher, also where no camera looks. Every picture has a scale of its own, from the 2nd
to the 98th percentile."""


@dataclass(frozen=True, eq=False)
class Student:
    """A student on the frame of the exhibit.

    features: of every point. known: points within the student's range. predicted: classes by its linear probe, or
    None where it was not probed. mapped: the teacher's feature as a linear map reads it from the student's, fitted on
    other frames: it stands for the projection head, which is dropped after pretraining.
    """

    name: str
    features: Float[Tensor, "points dim"]
    known: Bool[Tensor, "points"]
    predicted: Int64[Tensor, "points"] | None
    mapped: Float64[Tensor, "points teacher_dim"]


def class_plate(exhibit: Exhibit, students: Series[Student]) -> str:
    """The cameras with points in the colours of their classes: the truth, what was predicted, and what was wrong."""
    if exhibit.labels is None:
        return missing("There is no picture of classes and errors: this dataset has neither point labels nor boxes.")
    labels, colours = exhibit.labels, class_colours(exhibit.class_names)
    labelled = labels > 0
    panels = [("truth", gallery(cameras_painted(exhibit, colours[labels], labelled), 3))]
    probed = [student for student in students if student.predicted is not None]
    for student in probed:
        predicted = student.predicted
        assert predicted is not None
        pictures = cameras_painted(exhibit, colours[predicted], labelled & student.known)
        panels.append((f"{student.name}: predicted", gallery(pictures, 3)))
    for student in probed:
        assert student.predicted is not None
        right = student.predicted == labels
        scored = labelled & student.known
        marks = torch.where(right[:, None], torch.tensor(RIGHT), torch.tensor(WRONG)).to(torch.uint8)
        share = 100 * float(right[scored].float().mean())
        words = f"{share:.1f} % of the points of this frame are right (all classes weigh by their points here)."
        pictures = cameras_painted(exhibit, marks, scored)
        panels.append((f"{student.name}: errors", gallery(pictures, 3) + paragraph(words, "soft")))
    present = [int(label) for label in torch.unique(labels[labelled])]
    names = [(exhibit.class_names[label].replace("_", " "), _rgb(colours[label])) for label in present]
    words = CLASS_WORDS
    if probed:
        words += PROBED_WORDS
        key = swatches([("right", RIGHT), ("wrong", WRONG)])
    else:
        key = missing("Predictions and errors are missing: the run has not been probed (lima probe RUN DATA).")
    return paragraph(words) + swatches(names) + key + tabs("classes", panels)


def component_plate(exhibit: Exhibit, teacher: PrincipalColours, students: Series[Student], fitted_on: str) -> str:
    """The teacher's features as colours on the images, and the same colours read from the students' features."""
    cams, dim, rows, cols = exhibit.image_features.shape
    cells = exhibit.image_features.permute(0, 2, 3, 1).reshape(-1, dim)
    maps = teacher.colours(teacher.components(cells)).reshape(cams, rows, cols, 3)
    order = camera_order(exhibit.frame.images)
    on_images = [
        Picture(exhibit.frame.images[cam].name, blend_map(_photograph(exhibit, cam), maps[cam], 0.8)) for cam in order
    ]
    truth, seen_now = teacher.components(exhibit.unified.features), exhibit.unified.known
    panels = [("teacher, on the images", gallery(on_images, 3))]
    above = [_component_view("teacher, where a camera looks", exhibit, teacher.colours(truth), seen_now)]
    own_above = []
    for student in students:
        both = seen_now & student.known
        components = teacher.components(student.mapped)
        share = explained_percent(components[both], truth[both])
        colours = teacher.colours(components)
        pictures = gallery(cameras_painted(exhibit, colours, student.known), 3)
        words = f"These features account for {share:.0f} % of the variance of the teacher's three components here."
        panels.append((f"{student.name}, on the points", pictures + paragraph(words, "soft")))
        above.append(_component_view(f"{student.name} ({share:.0f} %)", exhibit, colours, student.known))
        own = PrincipalColours.fit(student.features[student.known])
        own_colours = own.colours(own.components(student.features))
        own_above.append(_component_view(f"{student.name}, own components", exhibit, own_colours, student.known))
    variance = f"{100 * teacher.variance_share:.0f} %"
    return (
        paragraph(COMPONENT_WORDS.format(share=variance, fitted_on=fitted_on))
        + tabs("components", panels)
        + paragraph(ABOVE_WORDS)
        + gallery(above, 4 if len(above) > 3 else 3)
        + paragraph(OWN_WORDS)
        + gallery(own_above, 4 if len(above) > 3 else 3)
    )


def _component_view(
    label: str, exhibit: Exhibit, colours: UInt8[Tensor, "points 3"], shown: Bool[Tensor, "points"]
) -> Picture:
    return Picture(label, birds_eye(exhibit.points_ego[shown], colours[shown], range_m=35.0, size_px=480))


def likeness_plate(exhibit: Exhibit, students: Series[Student], queries: Series[Query]) -> str:
    """The paper's cosine pictures: how alike everything is to one point, for the teacher above, for students below."""
    if not queries:
        return missing("There are no similarity pictures: no point of this frame is well visible in a camera.")
    parts = [paragraph(LIKENESS_WORDS), colour_bar(VIRIDIS_RGB, "unlike", "alike")]
    for number, query in enumerate(queries):
        parts.append(heading(query.name.replace("_", " ")) + wide_and_narrow(*_teacher_likeness(exhibit, query)))
        panels = [(student.name, wide_and_narrow(*_student_likeness(exhibit, student, query))) for student in students]
        parts.append(tabs(f"likeness-{number}", panels))
    return "".join(parts)


def coverage_plate(exhibit: Exhibit, frames: int) -> str:
    """Which points have a target: from the cameras of this instant, or from the memory alone."""
    now = exhibit.unified.known
    state = torch.full((len(now),), NOTHING)
    state[exhibit.in_memory] = MEMORY_ONLY
    state[now] = NOW
    shares = [100 * float((state == which).float().mean()) for which in (NOTHING, NOW, MEMORY_ONLY)]
    also = 100 * float((now & exhibit.in_memory).float().mean())
    colours = torch.tensor(COVERAGE_RGB, dtype=torch.uint8)[state]
    pictures = [
        Picture("where a point's target comes from", birds_eye(exhibit.points_ego, colours, range_m=30.0, ground=PAPER))
    ]
    if exhibit.labels is not None:
        by_class = class_colours(exhibit.class_names)[exhibit.labels]
        pictures.insert(0, Picture("classes", birds_eye(exhibit.points_ego, by_class, range_m=30.0, ground=PAPER)))
    words = (
        f"The sweep from above, the way ahead up. {shares[NOW]:.0f} % of the points have a target from the cameras now"
    )
    if frames > 1:
        words += (
            f" (for {also:.0f} % the memory of the {frames - 1} frames before adds to it), {shares[MEMORY_ONLY]:.0f} % "
            f"have one from the memory alone, {shares[NOTHING]:.0f} % have none and teach nothing. "
            "Look close to the vehicle, below the cameras' view, and at what it has just passed."
        )
    else:
        words += f", {shares[NOTHING]:.0f} % have none and teach nothing; with one frame there is no memory."
    keys = [("now", COVERAGE_RGB[NOW]), ("memory only", COVERAGE_RGB[MEMORY_ONLY]), ("none", COVERAGE_RGB[NOTHING])]
    return paragraph(words) + swatches(keys if frames > 1 else [keys[0], keys[2]]) + gallery(pictures, 2)


def cameras_painted(
    exhibit: Exhibit, colours: UInt8[Tensor, "points 3"], shown: Bool[Tensor, "points"]
) -> list[Picture]:
    """All cameras as seen from the driver's seat, with the points that are to be shown."""
    pictures = []
    for cam in camera_order(exhibit.frame.images):
        drawn = exhibit.pairs.visible[cam] & shown
        ground = faded(_photograph(exhibit, cam))
        image = paint_points(ground, exhibit.pairs.uv[cam, drawn], exhibit.depth_m[cam, drawn], colours[drawn])
        pictures.append(Picture(exhibit.frame.images[cam].name, image))
    return pictures


def camera_order(images: Series[CameraImage]) -> list[int]:
    """Cameras that look ahead from left to right, then those that look back from left to right around the back."""

    def left_deg(image: CameraImage) -> float:
        x, y, _ = image.ego_from_cam.rotation[:, 2].tolist()
        return math.degrees(math.atan2(y, x))

    angles = [left_deg(image) for image in images]
    ahead = sorted((cam for cam, angle in enumerate(angles) if abs(angle) <= 90), key=lambda cam: -angles[cam])
    back = sorted((cam for cam, angle in enumerate(angles) if abs(angle) > 90), key=lambda cam: angles[cam] % 360)
    return ahead + back


def _teacher_likeness(exhibit: Exhibit, query: Query) -> tuple[Picture, Picture]:
    dim, rows, cols = exhibit.image_features.shape[1:]
    cells = exhibit.image_features[query.cam].reshape(dim, -1).T
    uv = exhibit.pairs.uv[query.cam, query.point]
    grid = (2 * uv - 1)[None, None, None]
    at_query = torch.nn.functional.grid_sample(
        exhibit.image_features[query.cam][None], grid, padding_mode="border", align_corners=False
    ).flatten()
    mean = exhibit.image_features.mean(dim=(0, 2, 3))
    similarity = cosine_to(cells, at_query, mean)
    colours = scale_colours(similarity, *scale_limits(similarity)).reshape(rows, cols, 3)
    ground = _photograph(exhibit, query.cam, QUERY_WIDTH_PX)
    name = exhibit.frame.images[query.cam].name
    similar = Picture(f"teacher, {name}", mark_query(blend_map(ground, colours, 0.72), uv))
    return similar, Picture(f"the query in {name}", mark_query(_photograph(exhibit, query.cam), uv))


def _student_likeness(exhibit: Exhibit, student: Student, query: Query) -> tuple[Picture, Picture]:
    known = student.known
    similarity = cosine_to(student.mapped, student.mapped[query.point], student.mapped[known].mean(dim=0))
    colours = scale_colours(similarity, *scale_limits(similarity[known]))
    drawn = exhibit.pairs.visible[query.cam] & known
    uv, depth_m = exhibit.pairs.uv[query.cam], exhibit.depth_m[query.cam]
    ground = faded(_photograph(exhibit, query.cam, QUERY_WIDTH_PX))
    projected = mark_query(paint_points(ground, uv[drawn], depth_m[drawn], colours[drawn], 3.6), uv[query.point])
    query_among_known = int(known[: query.point].sum())
    above = birds_eye(exhibit.points_ego[known], colours[known], query=query_among_known, size_px=560, range_m=40.0)
    return Picture(f"{student.name}, projected", projected), Picture(f"{student.name}, from above", above)


def _photograph(exhibit: Exhibit, cam: int, width_px: int = CAMERA_WIDTH_PX) -> Image.Image:
    return photograph(exhibit.pixels[cam], width_px)


def _rgb(colour: UInt8[Tensor, "3"]) -> tuple[int, int, int]:
    red, green, blue = colour.tolist()
    return red, green, blue
