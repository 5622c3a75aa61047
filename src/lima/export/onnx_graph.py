"""Writing an ONNX graph of sparse convolutions, whose neighbours come in as tables."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lima.sparse import SparseBatchNorm
from lima.sparse.modules import Convolution3d

OPSET, IR_VERSION = 17, 8
OFFSETS_AT_ONCE = 9
"""rows are gathered for so many offsets together: 27 at once would need three times the memory"""


class Graph:
    """A graph under construction. Values are named by strings. Raises ImportError where onnx is not installed."""

    def __init__(self) -> None:
        try:
            self._onnx = importlib.import_module("onnx")
        except ImportError:
            raise ImportError("exporting to ONNX needs the package onnx: pip install lima-lidar[onnx]") from None
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def features(self, name: str, rows: str, dim: int) -> str:
        """An input of numbers: (rows, dim)."""
        kind = self._onnx.TensorProto.FLOAT
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, [rows, dim]))
        return name

    def table(self, name: str, shape: list[str | int]) -> str:
        """An input of row numbers."""
        kind = self._onnx.TensorProto.INT64
        self._inputs.append(self._onnx.helper.make_tensor_value_info(name, kind, shape))
        return name

    def scaled(self, value: str, factors: Tensor) -> str:
        """Every column times its factor."""
        return self._append("Mul", [value, self._constant(factors.float())])

    def output(self, value: str, name: str, rows: str, dim: int) -> None:
        """Give a value out under a name."""
        self._append("Identity", [value], name)
        kind = self._onnx.TensorProto.FLOAT
        self._outputs.append(self._onnx.helper.make_tensor_value_info(name, kind, [rows, dim]))

    def convolution(self, value: str, convolution: Convolution3d, norm: SparseBatchNorm, table: str | None) -> str:
        """A convolution and its batch norm in evaluation mode.

        table: (rows, offsets) of rows of `value`, its number of rows where nothing is; None for a kernel of size 1.
        """
        weight, shift = _folded(convolution, norm)
        if table is None:
            product = self._product(value, weight[0])
        else:
            padded = self._with_zero_row(value, weight.shape[1])
            product = self._sum_over_offsets(padded, weight, table)
        return self._append("Add", [product, self._constant(shift)])

    def inverse(self, value: str, convolution: Convolution3d, norm: SparseBatchNorm, parents: str) -> str:
        """The way back of a strided convolution: every row has one parent under one offset.

        parents: (rows): row of the parent in `value` times the number of offsets, plus the offset.
        """
        weight, shift = _folded(convolution, norm)
        offsets, in_dim, out_dim = weight.shape
        products = self._product(value, weight.permute(1, 0, 2).reshape(in_dim, offsets * out_dim))
        rows = self._append("Reshape", [products, self._constant(torch.tensor([-1, out_dim]))])
        return self._append("Add", [self._append("Gather", [rows, parents]), self._constant(shift)])

    def relu(self, value: str) -> str:
        return self._append("Relu", [value])

    def add(self, one: str, other: str) -> str:
        return self._append("Add", [one, other])

    def beside(self, one: str, other: str) -> str:
        """Features side by side."""
        return self._append("Concat", [one, other], axis=1)

    def model(self, description: dict[str, str]) -> Any:
        """The whole graph, checked. description: goes into its metadata."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, "lima", self._inputs, self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lima")
        model.ir_version = IR_VERSION
        helper.set_model_props(model, description)
        self._onnx.checker.check_model(model)
        return model

    def _sum_over_offsets(self, padded: str, weight: Tensor, table: str) -> str:
        offsets, in_dim, _ = weight.shape
        total = None
        for first in range(0, offsets, OFFSETS_AT_ONCE):
            part = weight[first : first + OFFSETS_AT_ONCE]
            columns = self._append("Gather", [table, self._constant(torch.arange(first, first + len(part)))], axis=1)
            rows = self._append("Gather", [padded, columns])
            flat = self._append("Reshape", [rows, self._constant(torch.tensor([-1, len(part) * in_dim]))])
            product = self._product(flat, part.flatten(0, 1))
            total = product if total is None else self._append("Add", [total, product])
        assert total is not None
        return total

    def _with_zero_row(self, value: str, dim: int) -> str:
        return self._append("Concat", [value, self._constant(torch.zeros(1, dim))], axis=0)

    def _product(self, value: str, matrix: Tensor) -> str:
        return self._append("MatMul", [value, self._constant(matrix)])

    def _constant(self, tensor: Tensor) -> str:
        name = f"constant_{len(self._constants)}"
        array = np.ascontiguousarray(tensor.detach().numpy())
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _append(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"value_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name


def _folded(convolution: Convolution3d, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """The weight with the batch norm's scale in it, and what is added: single precision."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() * torch.rsqrt(norm.running_var.double() + norm.eps)
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * scale
    return (convolution.weight.double() * scale).detach().float(), shift.detach().float()
