"""`lima export RUN --to LIBRARY`: a pretrained backbone as another library loads it, and what shows that it fits."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from lima.config import StudentConfig
from lima.encoder import encoder_folder, load_encoder, read_student_config, write_beside
from lima.export.hub import write_hub_folder
from lima.export.libraries import Library, export_to, raw_input_scale
from lima.export.onnx_networks import INPUT, graph_of, tables_of
from lima.export.verification import SAMPLE_CELLS, TOLERANCE, largest_difference, match_keys, sample_voxels
from lima.sparse import SparseTensor
from lima.students.student import Student, inputs_of
from lima.students.voxelnet import VoxelNet, VoxelNetLevels

Destination = Literal["openpcdet", "mmdet3d", "pointcept", "hub", "onnx"]
LISTED = 5
ONNX_TOLERANCE = 1e-4


def export_run(
    run: Path,
    to: Destination,
    out: Path,
    intensity_max: float = 1.0,
    licence: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Write the backbone of `run` for `to` into the file (the hub: folder) `out`.

    Raises FileExistsError for an `out` that exists, ValueError for a setting that `to` has no use for, where the
    library has no such network, where keys are left over, or where the library's network gives other numbers.
    """
    if out.exists():
        raise FileExistsError(f"{out} exists: remove it, or choose another --out")
    if to == "hub" and intensity_max != 1:
        raise ValueError(
            f"--intensity-max {intensity_max:g} is for other libraries' inputs: the folder for the hub is read by "
            f"load_encoder, which takes intensities from 0 to 1. Leave it out"
        )
    if to == "hub" and licence is None:
        raise ValueError(
            "the hub asks for a licence, --licence (such as cc-by-nc-sa-4.0): the weights come from your data, whose "
            "licence may allow less than that of lima"
        )
    if to != "hub" and licence is not None:
        raise ValueError(f"--licence {licence} is for the card of the hub: a file for {to} has no place for it")
    run = encoder_folder(run)
    config = read_student_config(run)
    student = load_encoder(run).student
    if to == "hub":
        assert licence is not None
        write_hub_folder(run, out, licence)
        say(f"{out}: upload it with `hf upload OWNER/NAME {out}`; load_encoder reads the folder as it is")
    elif to == "onnx":
        _export_onnx(student, config, out, intensity_max, say)
    else:
        _export_to_library(student, config, to, out, intensity_max, say)


def _export_to_library(
    student: Student, config: StudentConfig, to: Library, out: Path, intensity_max: float, say: Callable[[str], None]
) -> None:
    export = export_to(to, student, config, intensity_max)
    match = match_keys(export)
    say(f"{match.keys} keys of {to}'s network, {100 * match.share:.1f} % matched")
    if match.share < 1:
        wrong = [f"{key} is missing" for key in match.missing] + [f"{key} is unknown" for key in match.unknown]
        wrong += match.misshapen
        raise ValueError(f"{to}'s network is not this student: {'; '.join(wrong[:LISTED])} ({len(wrong)} in all)")
    if importlib.util.find_spec("spconv") is None:
        say("not compared with spconv, which is not installed: pip install spconv")
    else:
        scale = raw_input_scale(torch.tensor(list(inputs_of(config).values())), intensity_max)
        difference = largest_difference(export, student.backbone, scale)
        if not difference < TOLERANCE:
            raise ValueError(
                f"spconv's answer with these weights differs by {difference:.1e} of the largest: not saved"
            )
        say(f"spconv computes the same from them: largest difference {difference:.1e} of the largest answer")
    write_beside(out, lambda path: torch.save(export.checkpoint(), path))
    say(f"{out}: inputs are metres and intensity up to {intensity_max:g}; the configuration must say {export.settings}")
    if isinstance(student.backbone, VoxelNet):
        say("conv_out, which makes the map from above, is not reached by pretraining: only detection has taught it")


def _export_onnx(
    student: Student, config: StudentConfig, out: Path, intensity_max: float, say: Callable[[str], None]
) -> None:
    scale = raw_input_scale(torch.tensor(list(inputs_of(config).values())), intensity_max)
    model = graph_of(student, scale, {name: str(factor) for name, factor in inputs_of(config).items()})
    serialised = model.SerializeToString()
    if importlib.util.find_spec("onnxruntime") is None:
        say("not compared, onnxruntime is not installed: pip install lima-lidar[onnx]")
    else:
        difference = onnx_difference(student, serialised, scale)
        if not difference < ONNX_TOLERANCE:
            raise ValueError(f"onnxruntime's answer differs by {difference:.1e} of the largest: not saved")
        say(f"onnxruntime computes the same: largest difference {difference:.1e} of the largest answer")
    write_beside(out, lambda path: path.write_bytes(serialised))
    say(f"{out}: {len(model.graph.node)} nodes, {len(serialised) / 1e6:.1f} MB; inputs: {_inputs_in_words(model)}")


def onnx_difference(student: Student, serialised: bytes, scale: torch.Tensor) -> float:
    """Between onnxruntime's answers and ours on a sample of voxels, relative to the largest; the worst of all outputs.

    Raises ImportError where onnxruntime is not installed.
    """
    onnxruntime = importlib.import_module("onnxruntime")
    network = student.backbone
    box = network.box if isinstance(network, VoxelNet) else SAMPLE_CELLS
    x, y, z = (min(cells) for cells in zip(box, SAMPLE_CELLS, strict=True))
    inputs, indices = sample_voxels(len(scale), (x, y, z))
    voxels = SparseTensor(inputs.float() * scale, indices)
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    tables = {**tables_of(student, voxels), INPUT: inputs.float().numpy()}
    found = dict(zip(names, session.run(names, tables), strict=True))
    with torch.no_grad():
        answer = network(voxels)
    expected = {"encoded": answer} if isinstance(answer, SparseTensor) else _levels(answer)
    return max(_relative(found[name], own.features.numpy()) for name, own in expected.items())


def _levels(answer: VoxelNetLevels) -> dict[str, SparseTensor]:
    return {f"level_{level}": voxels for level, voxels in enumerate(answer.levels)} | {"out": answer.out}


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def _inputs_in_words(model: object) -> str:
    return ", ".join(value.name for value in model.graph.input)  # type: ignore[attr-defined]
