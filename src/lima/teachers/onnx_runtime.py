"""A teacher run by onnxruntime: faster than PyTorch on a CPU, and as an option with matrix products of 8 bits.

The network is traced once per image size, compared with PyTorch on the first picture, and asked picture by picture.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor, nn

from lima.teachers.teacher import TorchTeacher

OPSET = 17
RECIPE = 1
"""Goes into the key: raise it when the same weights start to give other features here."""
LARGEST_DIFFERENCE = 1e-3
"""Of features in single precision, as a share of the largest feature of the picture."""
LEAST_COSINE = 0.98
"""Of features of 8-bit products with the exact ones, mean over a picture."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Packages:
    onnx: Any
    onnxruntime: Any


class OnnxTeacher:
    """The same teacher, run by onnxruntime on the CPU, on as many threads as PyTorch has.

    int8: matrix products with weights of 8 bits per output channel and inputs of 8 bits, whose scale is found for every
    picture anew (dynamic quantisation); convolutions stay as they are. These are other features (docs/teachers.md says
    by how much), so name and key differ from the teacher's. They do without `int8`, too, where only the last digits of
    the features differ.

    Raises ImportError without onnx and onnxruntime; `features` raises ValueError for a network that cannot be traced or
    that gives other features once it is.
    """

    def __init__(self, teacher: TorchTeacher, int8: bool) -> None:
        self._packages = _import_packages()
        self._teacher, self._int8 = teacher, int8
        self._runs: dict[tuple[int, int], Callable[[np.ndarray], np.ndarray]] = {}
        self.name = f"{teacher.name}-onnx{'-int8' if int8 else ''}"
        self.patch_px = teacher.patch_px
        self.dim = teacher.dim

    @cached_property
    def key(self) -> str:
        """Digest of the teacher's own key and of what is done to it."""
        how = f"{self._teacher.key} onnx {'int8' if self._int8 else 'float32'} {RECIPE}"
        return hashlib.sha256(how.encode()).hexdigest()

    def features(self, pixels: UInt8[Tensor, "cams 3 height width"]) -> Float32[Tensor, "cams dim rows cols"]:
        """One feature per patch, as the teacher gives them."""
        # onnxruntime reads memory in the order of the axes, whatever strides say
        pictures = pixels.cpu().contiguous().split(1)
        size = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        if size not in self._runs:
            self._runs[size] = self._checked(self._session(pictures[0]), pictures[0])
        run = self._runs[size]
        return torch.cat([torch.from_numpy(run(picture.numpy())) for picture in pictures]).to(pixels.device)

    def _session(self, picture: UInt8[Tensor, "1 3 height width"]) -> Callable[[np.ndarray], np.ndarray]:
        """The network for pictures of that size."""
        self._teacher.features(picture)  # whatever is wrong with the picture is the teacher's to say
        model = _traced(self._teacher, picture)
        if self._int8:
            model = self._quantised(model)
        runtime = self._packages.onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

        def run(pixels: np.ndarray) -> np.ndarray:
            return session.run(None, {"pixels": pixels})[0]

        return run

    def _quantised(self, model: bytes) -> bytes:
        onnx, quantization = self._packages.onnx, importlib.import_module("onnxruntime.quantization")
        with tempfile.TemporaryDirectory() as folder, _without_advice():
            path = Path(folder) / "int8.onnx"
            quantization.quantize_dynamic(
                onnx.load_model_from_string(model),
                path,
                per_channel=True,
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
            )
            if not any(node.op_type == "MatMulInteger" for node in onnx.load(path).graph.node):
                raise ValueError(
                    f"{self._teacher.name} has no matrix products with weights that 8 bits could speed up: use "
                    f"--runtime onnx"
                )
            return path.read_bytes()

    def _checked(
        self, run: Callable[[np.ndarray], np.ndarray], picture: UInt8[Tensor, "1 3 height width"]
    ) -> Callable[[np.ndarray], np.ndarray]:
        """The same, if its features of a picture are the teacher's."""
        exact, found = self._teacher.features(picture), torch.from_numpy(run(picture.numpy()))
        cosine = float(torch.cosine_similarity(exact, found, dim=1).mean())
        share = float((exact - found).abs().max() / exact.abs().max())
        if self._int8:
            logger.info("%s: cosine %.4f with the exact features of the first picture", self.name, cosine)
        if not (cosine >= LEAST_COSINE if self._int8 else share <= LARGEST_DIFFERENCE):
            raise ValueError(
                f"{self.name} gives other features than {self._teacher.name} (mean cosine {cosine:.4f}, difference up "
                f"to {share:.2g} of the largest feature): use --runtime {'onnx or torch' if self._int8 else 'torch'}"
            )
        return run


class _Asked(nn.Module):
    """What is traced: the whole way from bytes to features."""

    def __init__(self, teacher: TorchTeacher) -> None:
        super().__init__()
        self.network = teacher.network  # known here, so that its weights become the model's
        self._teacher = teacher

    def forward(self, pixels: Tensor) -> Tensor:
        return self._teacher.features(pixels)


def _traced(teacher: TorchTeacher, picture: UInt8[Tensor, "1 3 height width"]) -> bytes:
    """The network as an ONNX model. Raises ValueError where it cannot become one."""
    stream = io.BytesIO()
    with warnings.catch_warnings():  # about parts of networks that are constant here, and that a newer exporter exists
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                _Asked(copy.deepcopy(teacher)),  # the exporter folds batch norms into the weights it was given
                (picture,),
                stream,  # type: ignore[arg-type]  # the exporter by tracing takes streams, too
                dynamo=False,
                input_names=["pixels"],
                output_names=["features"],
                opset_version=OPSET,
            )
        except Exception as problem:  # its errors have no type in common
            reason = str(problem).strip().partition("\n")[0]
            raise ValueError(
                f"{teacher.name} cannot be run by onnxruntime ({reason}): use --runtime torch"
            ) from problem
    return stream.getvalue()


def _import_packages() -> _Packages:
    try:
        return _Packages(importlib.import_module("onnx"), importlib.import_module("onnxruntime"))
    except ImportError as problem:
        raise ImportError(
            f"--runtime onnx and onnx-int8 need the packages onnx and onnxruntime ({problem}): "
            f"pip install 'lima-lidar[onnx]'"
        ) from None


@contextmanager
def _without_advice() -> Iterator[None]:
    """onnxruntime advises everybody to prepare the model; for matrix products there is nothing to prepare."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
