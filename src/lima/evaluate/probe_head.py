"""The probe itself: a batch norm and a linear layer, learned on features that do not change."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import skip_init

from lima.config import ProbeConfig
from lima.evaluate.probe_features import LabelledFeatures

SCORED_AT_ONCE = 65_536


class LinearProbe(nn.Module):
    """Batch norm and linear layer from features to the classes from 1 up; the ignored class 0 is never predicted."""

    def __init__(self, dim: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim)
        self.linear = skip_init(nn.Linear, dim, classes - 1)  # torch's own start, but from our generator
        bound = 1 / math.sqrt(dim)
        nn.init.uniform_(self.linear.weight, -bound, bound, generator=generator)
        nn.init.uniform_(self.linear.bias, -bound, bound, generator=generator)

    def forward(self, features: Float[Tensor, "points dim"]) -> Float[Tensor, "points scores"]:
        """Scores of the classes from 1 up."""
        return self.linear(self.norm(features))

    @torch.no_grad()
    def predict(self, features: Float[Tensor, "points dim"]) -> Int64[Tensor, "points"]:
        """The class of every feature, on the features' device. In evaluation mode."""
        assert not self.training, "a probe predicts in evaluation mode"
        if len(features) == 0:
            return torch.zeros(0, dtype=torch.int64, device=features.device)
        return torch.cat([self(part.float()).argmax(dim=1) + 1 for part in features.split(SCORED_AT_ONCE)])


def fit(
    data: LabelledFeatures, classes: int, config: ProbeConfig, seed: int, device: torch.device | str = "cpu"
) -> LinearProbe:
    """A probe after the last epoch, in evaluation mode. The seed decides its start and the order of the points.

    AdamW and cross-entropy; the learning rate falls to zero along a cosine, which the protocol leaves open. A
    minibatch is of points from anywhere in the split, not of whole sweeps: the features are frozen and not augmented,
    so they are computed once, and mixing them costs nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    probe = LinearProbe(data.features.shape[1], classes, generator).to(device).train()
    optimiser = torch.optim.AdamW(
        probe.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    targets = data.labels - 1
    batches = max(1, len(targets) // config.batch_points)  # no small rest, whose statistics would be poor
    for epoch in range(config.epochs):
        order = torch.randperm(len(targets), generator=generator)
        for batch, members in enumerate(order.tensor_split(batches)):
            done = (epoch * batches + batch) / (config.epochs * batches)
            optimiser.param_groups[0]["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
            features = data.features.index_select(0, members).to(device).float()
            loss = F.cross_entropy(probe(features), targets[members].to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return probe.eval()


def save_probe(file: Path, probe: LinearProbe) -> None:
    """Write the probe, whole or not at all."""
    beside = file.with_name(file.name + ".part")
    save_file({name: tensor.cpu().contiguous() for name, tensor in probe.state_dict().items()}, beside)
    beside.replace(file)


def load_probe(file: Path) -> LinearProbe:
    """A probe that `save_probe` wrote, in evaluation mode. Raises FileNotFoundError."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: it is written by probing the run (lima probe RUN DATA)")
    state = load_file(file)
    scores, dim = state["linear.weight"].shape
    probe = LinearProbe(dim, scores + 1, torch.Generator())
    probe.load_state_dict(state)
    return probe.eval()
