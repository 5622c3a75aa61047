"""What was found, on one HTML page that needs nothing else: what is wrong, pictures, tables, curves."""

from __future__ import annotations

from lima.doctor.alignment import CameraFit
from lima.doctor.examination import DriveReport, Examination
from lima.doctor.overlays import FAR_M, NEAR_M, outlines_on_images, points_on_images, sweeps_together
from lima.doctor.tables import tables
from lima.doctor.terminal import verdict
from lima.evaluate.charts import Line, line_chart
from lima.evaluate.colouring import VIRIDIS_RGB
from lima.evaluate.page import (
    Section,
    colour_bar,
    folded,
    gallery,
    heading,
    missing,
    page,
    paragraph,
    table,
    tabs,
)
from lima.scene import Frame

DRIVES_SHOWN = 3
PICTURE_COLUMNS, PAGE_PX, LEAST_PICTURE_PX = 3, 1100, 640
COLOURS = 5  # that the page has for lines

OVERLAY_WORDS = """Every point of a sweep where calibration, poses and clocks put it in the images; what nearer points
hide is left out. Look at thin things and at the borders of near things: a colour should end where the thing ends. The
outlines are what the fit of LiDAR and images goes by: each stroke joins two neighbouring beams of which one meets a
near thing and the other passes it, so that the thing's edge in the image should cross the stroke."""
PROFILE_WORDS = """How well outlines lie on edges (mean logarithm of the edges' strength along the strokes) when all
points are turned by so many degrees. A peak at 0 is a good calibration; no peak means that nothing can be said."""
FOLLOWING_WORDS = """For pairs of neighbouring sweeps, how far the later one must be moved to lie on the earlier one:
what the poses between them are off. Single peaks are jumps; a level far above zero is poor odometry."""
TOGETHER_WORDS = """Two sweeps as the poses put them, from above, without the ground. What stands still should be
drawn once, in both colours; what is drawn twice has moved, or the poses are wrong."""


def examination_page(examination: Examination) -> str:
    """The whole document. Frames that are shown are read again; one that cannot be is left out with a sentence."""
    found = {each.name: paragraph(each.note, "soft") + table(each.head, each.rows) for each in tables(examination)}
    titles = {each.name: each.title for each in tables(examination)}
    shown = examination.drives[:DRIVES_SHOWN]
    more = {
        "alignment": "".join(_profiles(drive) for drive in shown),
        "following": _corrections(examination) + "".join(_together(drive) for drive in shown),
    }
    sections = [Section("findings", "Findings", _findings(examination))]
    pictures = "".join(_overlay(drive) for drive in shown)
    if pictures:
        scale = colour_bar(VIRIDIS_RGB, f"{NEAR_M:.0f} m", f"{FAR_M:.0f} m")
        sections.append(Section("overlay", "Points on images", paragraph(OVERLAY_WORDS) + scale + pictures))
    order = ("alignment", "following", "sensors", "sweeps", "seen")
    sections += [Section(name, titles[name], found[name] + more.get(name, "")) for name in order if name in found]
    return page(f"{examination.dataset}: can it be trusted?", paragraph(f"{verdict(examination)}."), sections)


def _findings(examination: Examination) -> str:
    if not examination.findings:
        return paragraph("Nothing is wrong, and nothing is remarkable.")
    ordered = sorted(examination.findings, key=lambda finding: finding.level != "wrong")
    lines = [(finding.where, f"{finding.level}: {finding.words}") for finding in ordered]
    return "".join(heading(where) + paragraph(words) for where, words in lines)


def _overlay(drive: DriveReport) -> str:
    with_images = [frame for frame in drive.facts if frame.images]
    if not with_images:
        return ""
    most = max(len(frame.images) for frame in with_images)
    complete = [frame.index for frame in with_images if len(frame.images) == most]
    frame = _frame(drive, complete[len(complete) // 2])
    title = heading(f"{drive.name}, frame {complete[len(complete) // 2]}")
    if isinstance(frame, str):
        return title + missing(frame)
    try:
        columns = min(most, PICTURE_COLUMNS)
        width_px = max(PAGE_PX // columns, LEAST_PICTURE_PX)
        panels = [
            ("points", gallery(points_on_images(frame, width_px), columns)),
            ("outlines", gallery(outlines_on_images(frame, width_px), columns)),
        ]
    except (ValueError, OSError) as problem:
        return title + missing(f"This frame cannot be shown: {problem}")
    return title + tabs(f"overlay-{drive.name}", panels)


def _profiles(drive: DriveReport) -> str:
    if drive.alignment is None or not drive.alignment.cameras:
        return ""
    charts = "".join(
        paragraph(f"All points {turn}, degrees")
        + line_chart(
            [_line(fit, turn, place) for place, fit in enumerate(drive.alignment.cameras)], "degrees", "likeness"
        )
        for turn in drive.alignment.cameras[0].profiles
    )
    return folded(f"{drive.name}: likeness over small turns", paragraph(PROFILE_WORDS) + charts)


def _line(fit: CameraFit, turn: str, place: int) -> Line:
    degrees, likeness = zip(*fit.profiles[turn], strict=True)
    return Line(fit.camera, place % COLOURS + 1, degrees, likeness)


def _corrections(examination: Examination) -> str:
    lines = [
        Line(
            drive.name,
            place % COLOURS + 1,
            tuple(float(pair.later) for pair in drive.following.neighbours),
            tuple(100 * pair.shift_m for pair in drive.following.neighbours),
        )
        for place, drive in enumerate(examination.drives[:COLOURS])
        if drive.following is not None and len(drive.following.neighbours) > 1
    ]
    return paragraph(FOLLOWING_WORDS) + line_chart(lines, "frame", "correction, cm") if lines else ""


def _together(drive: DriveReport) -> str:
    """The neighbours that lie worst on each other."""
    if drive.following is None or not drive.following.neighbours:
        return ""
    worst = max(drive.following.neighbours, key=lambda pair: pair.shift_m)
    earlier, later = _frame(drive, worst.earlier), _frame(drive, worst.later)
    if isinstance(earlier, str) or isinstance(later, str):
        return missing(str(earlier if isinstance(earlier, str) else later))
    picture = sweeps_together(earlier, later)
    words = f"{drive.name}: the neighbours that need the greatest correction, {100 * worst.shift_m:.1f} cm"
    return folded(words, paragraph(TOGETHER_WORDS) + gallery([picture], 2))


def _frame(drive: DriveReport, index: int) -> Frame | str:
    """The frame, or a sentence about why there is none."""
    try:
        return drive.sequence.frame(index)
    except (ValueError, OSError) as problem:
        return f"Frame {index} cannot be shown: {problem}"
