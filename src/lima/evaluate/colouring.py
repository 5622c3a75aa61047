"""Numbers as colours: classes, similarities between 0 and 1, and features through their principal components."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor

GREY = (128, 128, 128)
RIGHT = (64, 160, 110)
WRONG = (222, 45, 38)

# The colours that nuScenes' own tools give to its 16 classes, so that a reader recognises them.
NUSCENES_RGB = {
    "barrier": (112, 128, 144),
    "bicycle": (220, 20, 60),
    "bus": (255, 127, 80),
    "car": (255, 158, 0),
    "construction_vehicle": (233, 150, 70),
    "motorcycle": (255, 61, 99),
    "pedestrian": (0, 0, 230),
    "traffic_cone": (47, 79, 79),
    "trailer": (255, 140, 0),
    "truck": (255, 99, 71),
    "driveable_surface": (0, 207, 191),
    "other_flat": (175, 0, 75),
    "sidewalk": (75, 0, 75),
    "terrain": (112, 180, 60),
    "manmade": (222, 184, 135),
    "vegetation": (0, 175, 0),
    "background": (150, 158, 166),
}

# Nine anchors of matplotlib's viridis (CC0): lightness rises evenly from 0 to 1, also for the colour-blind.
VIRIDIS_RGB = (
    (68, 1, 84),
    (71, 44, 122),
    (59, 81, 139),
    (44, 113, 142),
    (33, 144, 141),
    (39, 173, 129),
    (92, 200, 99),
    (170, 220, 50),
    (253, 231, 37),
)

GOLDEN_RATIO = 0.618034  # hues that many steps apart never crowd


def class_colours(class_names: Sequence[str]) -> UInt8[Tensor, "classes 3"]:
    """nuScenes' colour for its classes, grey for position 0 (ignored), well separated hues for any other name."""
    colours = []
    for position, name in enumerate(class_names):
        if position == 0:
            colours.append(GREY)
        elif name in NUSCENES_RGB:
            colours.append(NUSCENES_RGB[name])
        else:
            hue = position * GOLDEN_RATIO % 1
            red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.85)
            colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return torch.tensor(colours, dtype=torch.uint8)


def scale_colours(values: Float[Tensor, "*axes"], low: float, high: float) -> UInt8[Tensor, "*axes 3"]:
    """Viridis from dark at `low` to bright at `high`; values beyond take the end's colour, NaN takes grey."""
    anchors = torch.tensor(VIRIDIS_RGB, dtype=torch.float32, device=values.device)
    missing = torch.isnan(values)
    position = ((values.float().nan_to_num() - low) / (high - low)).clamp(0, 1) * (len(anchors) - 1)
    below = position.floor().long().clamp(max=len(anchors) - 2)
    share = (position - below)[..., None]
    colours = (anchors[below] * (1 - share) + anchors[below + 1] * share).round().to(torch.uint8)
    colours[missing] = torch.tensor(GREY, dtype=torch.uint8, device=values.device)
    return colours


def scale_limits(*values: Float[Tensor, "_"], share: float = 0.02) -> tuple[float, float]:
    """Limits that leave out `share` of the values at either end, so that no outlier flattens the rest."""
    together = torch.cat([part.flatten().double() for part in values])
    together = together[torch.isfinite(together)].sort().values
    if len(together) == 0:
        return 0.0, 1.0
    low = float(together[int(share * (len(together) - 1))])
    high = float(together[int((1 - share) * (len(together) - 1))])
    return low, max(high, low + 1e-6)


def cosine_to(
    features: Float[Tensor, "points dim"], query: Float[Tensor, "dim"], mean: Float[Tensor, "dim"] | None = None
) -> Float[Tensor, "points"]:
    """Cosine of the angle between every feature and the query's, 1 at the query itself.

    mean: taken from both first, so that what all features have in common does not make everything alike.
    """
    if mean is not None:
        features, query = features - mean, query - mean
    return torch.nn.functional.cosine_similarity(features, query[None], dim=1)


@dataclass(frozen=True, eq=False)
class PrincipalColours:
    """The three directions in which features vary most, as red, green and blue.

    low, high: the range of each component that is spread over 0 … 255.
    """

    mean: Float64[Tensor, "dim"]
    directions: Float64[Tensor, "dim 3"]
    low: Float64[Tensor, "3"]
    high: Float64[Tensor, "3"]
    variance_share: float

    @staticmethod
    def fit(features: Float[Tensor, "points dim"]) -> PrincipalColours:
        """From a cloud of features; the order of the points does not matter.

        An eigenvector has no sign of its own: each is turned so that its largest entry is positive.
        """
        if len(features) < 2 or features.shape[1] < 3:
            raise ValueError(f"principal colours need at least 2 points and 3 dimensions, got {tuple(features.shape)}")
        points = features.detach().double()
        mean = points.mean(dim=0)
        centred = points - mean
        variances, vectors = torch.linalg.eigh(centred.T @ centred / len(points))
        directions = vectors[:, -3:].flip(1)
        strongest = directions.abs().argmax(dim=0)
        directions = directions * directions[strongest, torch.arange(3)].sign()
        components = (centred @ directions).sort(dim=0).values
        cut = int(0.01 * (len(points) - 1))
        return PrincipalColours(
            mean=mean,
            directions=directions,
            low=components[cut],
            high=components[len(points) - 1 - cut],
            variance_share=float(variances[-3:].sum() / variances.sum().clamp(min=1e-300)),
        )

    def components(self, features: Float[Tensor, "points dim"]) -> Float64[Tensor, "points 3"]:
        """Coordinates along the three directions."""
        return (features.detach().double() - self.mean) @ self.directions

    def colours(self, components: Float[Tensor, "points 3"]) -> UInt8[Tensor, "points 3"]:
        """Colours of components, of these features or of others that were mapped to them."""
        spread = (self.high - self.low).clamp(min=1e-12)
        return (((components.double() - self.low) / spread).clamp(0, 1) * 255).round().to(torch.uint8)


@dataclass(frozen=True, eq=False)
class LinearMap:
    """An affine map fitted by least squares: what of one kind of features can be read out of another."""

    weight: Float64[Tensor, "in_dim out_dim"]
    bias: Float64[Tensor, "out_dim"]

    @staticmethod
    def fit(
        inputs: Float[Tensor, "points in_dim"], outputs: Float[Tensor, "points out_dim"], ridge: float = 1e-4
    ) -> LinearMap:
        """The least squares map, with a penalty of `ridge` times the mean variance of the inputs."""
        inputs, outputs = inputs.detach().double(), outputs.detach().double()
        mean_in, mean_out = inputs.mean(dim=0), outputs.mean(dim=0)
        centred = inputs - mean_in
        covariance = centred.T @ centred / len(inputs)
        penalty = ridge * covariance.diagonal().mean().clamp(min=1e-12)
        covariance = covariance + penalty * torch.eye(len(covariance), dtype=torch.float64)
        weight = torch.linalg.solve(covariance, centred.T @ (outputs - mean_out) / len(inputs))
        return LinearMap(weight, mean_out - mean_in @ weight)

    def apply(self, inputs: Float[Tensor, "points in_dim"]) -> Float64[Tensor, "points out_dim"]:
        """The outputs expected of these inputs."""
        return inputs.detach().double() @ self.weight + self.bias


def explained_percent(expected: Float[Tensor, "points dim"], truth: Float[Tensor, "points dim"]) -> float:
    """R² in percent: the share of the truth's variance that the expectation accounts for; negative if it harms."""
    expected, truth = expected.double(), truth.double()
    residual = (truth - expected).square().sum()
    total = (truth - truth.mean(dim=0)).square().sum()
    return float(100 * (1 - residual / total))
