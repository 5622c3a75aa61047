"""Oracle: pixels counted by hand, the camera's own projection, laws of cosines and of principal components."""

import base64
import io
import math

import pytest
import torch
from PIL import Image

from lima.data.pairs import pairs_from_frame
from lima.evaluate.colouring import (
    GREY,
    NUSCENES_RGB,
    VIRIDIS_RGB,
    LinearMap,
    PrincipalColours,
    class_colours,
    cosine_to,
    explained_percent,
    scale_colours,
    scale_limits,
)
from lima.evaluate.pictures import birds_eye, blend_map, data_uri, mark_query, paint_points, panel_position, photograph
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep

RED = torch.tensor([[255, 0, 0]], dtype=torch.uint8)


def pixel(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    value = picture.getpixel((x, y))
    assert isinstance(value, tuple)
    return value


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("column", "row"), [(0, 0), (17, 3), (63, 31)])
def test_a_point_is_painted_on_the_pixel_where_the_camera_sees_it(column: int, row: int) -> None:
    """The point is laid on the ray of the pixel's centre by hand: x = (u - cx) z / f."""
    camera = PinholeCamera(fx_px=40.0, fy_px=50.0, cx_px=31.5, cy_px=15.5, width_px=64, height_px=32)
    depth_m = 8.0
    point = torch.tensor([[(column - 31.5) * depth_m / 40, (row - 15.5) * depth_m / 50, depth_m]])
    here = RigidTransform.identity()
    image = CameraImage("cam", camera, 0, here, here, lambda: torch.zeros(3, 32, 64, dtype=torch.uint8))
    frame = Frame("token", "drive", 0, Sweep(point, torch.zeros(1), 0, here, here), (image,))
    pairs = pairs_from_frame(frame)
    assert bool(pairs.visible.all())
    ground = photograph(image.read_pixels(), 64)
    painted = paint_points(ground, pairs.uv[0], torch.tensor([depth_m]), RED, radius_at_10_m_px=0.4)
    reds = [(x, y) for x in range(64) for y in range(32) if pixel(painted, x, y)[0] > 128]
    assert reds == [(column, row)]


def test_near_points_hide_far_ones_whatever_their_order() -> None:
    uv = torch.full((2, 2), 0.5)
    colours = torch.tensor([[255, 0, 0], [0, 0, 255]], dtype=torch.uint8)
    ground = Image.new("RGB", (40, 40))
    for near in (0, 1):
        depth_m = torch.full((2,), 9.0)
        depth_m[near] = 5.0
        painted = paint_points(ground, uv, depth_m, colours)
        assert pixel(painted, 20, 20) == tuple(colours[near].tolist())


def test_from_above_ahead_is_up_and_left_is_left() -> None:
    # 10 m ahead and 20 m to the left of the vehicle, in a picture of 50 m to every side and 1 m per pixel.
    point = torch.tensor([[10.0, 20.0, 0.0]])
    assert panel_position(point, range_m=50.0)[0].tolist() == pytest.approx([0.3, 0.4])
    picture = birds_eye(point, RED, range_m=50.0, size_px=100)
    assert pixel(picture, 30, 40)[0] > 200
    assert pixel(picture, 70, 40)[0] < 100


def test_from_above_high_points_hide_low_ones() -> None:
    points = torch.tensor([[12.0, 0.0, 3.0], [12.0, 0.0, -1.0]])
    colours = torch.tensor([[255, 0, 0], [0, 0, 255]], dtype=torch.uint8)
    assert pixel(birds_eye(points, colours, range_m=50.0, size_px=100), 50, 38)[0] > 200


def test_the_query_is_marked_in_red_where_it_is() -> None:
    picture = mark_query(Image.new("RGB", (200, 100)), torch.tensor([0.25, 0.5]))
    red, green, blue = pixel(picture, 50, 50)
    assert red > 200 > 100 > max(green, blue)
    assert pixel(picture, 150, 50) == (0, 0, 0)


def test_a_map_covers_the_picture_cell_by_cell() -> None:
    colours = torch.zeros(1, 2, 3, dtype=torch.uint8)
    colours[0, 1] = 255
    picture = blend_map(Image.new("RGB", (80, 40)), colours, strength=1.0)
    assert pixel(picture, 5, 20) == (0, 0, 0)
    assert pixel(picture, 75, 20) == (255, 255, 255)


def test_a_data_address_holds_the_picture() -> None:
    header, _, body = data_uri(Image.new("RGB", (12, 7), (10, 200, 30))).partition(",")
    assert header == "data:image/jpeg;base64"
    back = Image.open(io.BytesIO(base64.b64decode(body)))
    assert back.size == (12, 7)
    assert all(abs(a - b) < 6 for a, b in zip(pixel(back, 6, 3), (10, 200, 30), strict=True))


def test_classes_have_the_colours_of_nuscenes() -> None:
    names = ("ignored", "car", "pedestrian", "something", "another thing")
    colours = class_colours(names)
    assert tuple(colours[0].tolist()) == GREY
    assert tuple(colours[1].tolist()) == NUSCENES_RGB["car"] == (255, 158, 0)
    assert len({tuple(colour) for colour in colours.tolist()}) == len(names)
    assert len(NUSCENES_RGB) == 17  # the 16 classes, and the background of data with boxes only


def test_the_scale_meets_its_anchors_and_rises_in_lightness() -> None:
    at_anchors = scale_colours(torch.linspace(-1, 3, len(VIRIDIS_RGB)), low=-1.0, high=3.0)
    assert [tuple(colour) for colour in at_anchors.tolist()] == list(VIRIDIS_RGB)
    halfway = scale_colours(torch.tensor([0.5 / 8]), 0.0, 1.0)[0].tolist()
    assert halfway == [round((a + b) / 2) for a, b in zip(VIRIDIS_RGB[0], VIRIDIS_RGB[1], strict=True)]
    lightness = scale_colours(torch.linspace(0, 1, 50), 0.0, 1.0).float() @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert bool((lightness.diff() > 0).all())


def test_the_scale_ends_where_it_ends_and_nan_is_grey() -> None:
    colours = scale_colours(torch.tensor([-9.0, 9.0, math.nan]), 0.0, 1.0)
    assert [tuple(colour) for colour in colours.tolist()] == [VIRIDIS_RGB[0], VIRIDIS_RGB[-1], GREY]


def test_limits_leave_out_the_same_share_at_both_ends() -> None:
    values = torch.arange(101.0)[torch.randperm(101, generator=torch.Generator().manual_seed(0))]
    assert scale_limits(values, share=0.02) == (2.0, 98.0)
    low, high = scale_limits(torch.full((5,), 3.0))
    assert low < high
    assert scale_limits(torch.tensor([math.nan])) == (0.0, 1.0)


def test_the_query_is_like_itself() -> None:
    features = random(50, 8)
    for mean in (None, features.mean(dim=0)):
        similarity = cosine_to(features, features[17], mean)
        assert float(similarity[17]) == pytest.approx(1.0)
        assert int(similarity.argmax()) == 17
    opposite = cosine_to(-features, features[17])
    assert float(opposite[17]) == pytest.approx(-1.0)


def test_principal_colours_do_not_depend_on_the_order_of_the_points() -> None:
    features = random(300, 10) * torch.linspace(3, 0.1, 10)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    one, other = PrincipalColours.fit(features), PrincipalColours.fit(features[order])
    torch.testing.assert_close(one.components(features), other.components(features))
    same = one.colours(one.components(features)) == other.colours(other.components(features))
    assert float(same.float().mean()) > 0.999  # a component on the edge between two bytes may fall either way


def test_principal_components_are_uncorrelated_and_hold_the_variance() -> None:
    # Three axes of standard deviations 5, 3, 2 and the rest 0.1, turned at random.
    turn = torch.linalg.qr(random(6, 6, seed=3)).Q
    features = (random(4000, 6) * torch.tensor([5.0, 3.0, 2.0, 0.1, 0.1, 0.1])) @ turn.T
    fitted = PrincipalColours.fit(features)
    components = fitted.components(features)
    covariance = (components.T @ components / len(components)).float()
    torch.testing.assert_close(covariance, torch.diag(covariance.diagonal()), atol=1e-4, rtol=0)
    torch.testing.assert_close(covariance.diagonal().sqrt(), torch.tensor([5.0, 3.0, 2.0]), atol=0.2, rtol=0)
    assert fitted.variance_share > 0.999
    strongest = fitted.directions.abs().argmax(dim=0)
    assert bool((fitted.directions[strongest, torch.arange(3)] > 0).all()), "a sign of its own would flip the colours"
    colours = fitted.colours(components)
    assert int(colours.min()) == 0
    assert int(colours.max()) == 255


def test_principal_colours_say_what_they_need() -> None:
    with pytest.raises(ValueError, match="at least 2 points and 3 dimensions"):
        PrincipalColours.fit(random(5, 2))


def test_a_linear_map_finds_the_map_that_made_the_outputs() -> None:
    inputs, weight, bias = random(200, 5), random(5, 2, seed=1), random(2, seed=2)
    outputs = inputs @ weight + bias
    mapped = LinearMap.fit(inputs, outputs, ridge=0.0)
    torch.testing.assert_close(mapped.weight.float(), weight, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mapped.bias.float(), bias, atol=1e-5, rtol=1e-5)
    fresh = random(30, 5, seed=9)
    assert explained_percent(mapped.apply(fresh), fresh @ weight + bias) == pytest.approx(100)


def test_a_linear_map_stands_a_feature_that_never_moves() -> None:
    inputs = torch.cat([random(100, 3), torch.zeros(100, 2)], dim=1)
    mapped = LinearMap.fit(inputs, inputs[:, :1])
    assert bool(torch.isfinite(mapped.weight).all())
    assert explained_percent(mapped.apply(inputs), inputs[:, :1]) > 99.9


def test_explained_variance_of_the_mean_is_nothing_and_of_worse_is_negative() -> None:
    truth = random(100, 2)
    mean = truth.mean(dim=0).expand(100, 2)
    assert explained_percent(mean, truth) == pytest.approx(0, abs=1e-4)
    assert explained_percent(mean + 1, truth) < 0
