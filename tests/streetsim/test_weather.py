"""Oracle: the LiDAR equation by hand, drops counted one size after the other, the pulse's integral in loops."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

import streetsim.recording
from streetsim.air import Air, rain_extinction_per_m
from streetsim.echoes import Echoes, receive
from streetsim.false_echoes import false_echoes, soft_response
from streetsim.lidar import Scan, take_scan
from streetsim.materials import Material
from streetsim.raycast import World
from streetsim.recording import Recording
from streetsim.rigs import CameraMount, Rig, nuscenes_rig
from streetsim.scene import Scene
from streetsim.semantics import Semantic
from streetsim.surfaces import surfaces_at
from streetsim.things import ThingBox
from streetsim.weather import WEATHERS, Weather, draw_weather
from tests.streetsim.handmade import quad, scene, wall

LIDAR = nuscenes_rig().lidar
FARTHEST_M = 105.0
THINNEST = Air(0.0, 0.0)
FOG = Air(0.02, 0.0)
SHOTS = 40_000


def day(name: str = "clear", **changes: Any) -> Weather:
    return dataclasses.replace(draw_weather(name, np.random.default_rng(0)), **changes)


def echoes_from(material: Material, cos_incidence: float, range_m: float, air: Air, wetness: float = 0.0) -> Echoes:
    """Equal shots that all meet a surface of that material, so far away and inclined so much."""
    high_m, along_m = range_m * cos_incidence, range_m * math.sqrt(1 - cos_incidence**2)
    size_m = 200.0
    corners = [(-size_m, -size_m, 0.0), (size_m, -size_m, 0.0), (size_m, size_m, 0.0), (-size_m, size_m, 0.0)]
    place = scene([quad(corners, Semantic.NONE, material=material)], weather=day(wetness=wetness))
    world = World(place.standing, None)
    direction = np.array([along_m, 0.0, -high_m]) / range_m
    directions = np.tile(direction.astype(np.float32), (SHOTS, 1))
    hits = world.nearest(np.tile(np.array([-20.0, 3.0, high_m], np.float32), (SHOTS, 1)), directions)
    np.testing.assert_allclose(hits.distance_m, range_m, rtol=1e-3)
    points = surfaces_at(world, hits, directions)
    return receive(place, hits, points, directions, air, FARTHEST_M, 0.0, np.random.default_rng(1))


def sweep(place: Scene, seed: int = 0) -> Scan:
    return take_scan(place, LIDAR, 0.0, np.random.default_rng(seed))


def shots_of(points: Scan) -> list[tuple[int, float]]:
    return list(zip(points.ring.tolist(), points.time_s.tolist(), strict=True))


def street(weather: Weather) -> Scene:
    """A road between two walls, open to the sky and to the sides."""
    corners = [(-200.0, -200.0, 0.0), (200.0, -200.0, 0.0), (200.0, 200.0, 0.0), (-200.0, 200.0, 0.0)]
    road = quad(corners, Semantic.ROAD, material=Material.ROAD)
    front = wall(25.0, (-15.0, 15.0), (0.0, 8.0), Semantic.BUILDING)
    car = wall(6.0, (-2.0, 2.0), (0.0, 1.6), Semantic.CAR, instance=5)
    return scene([road, front], thing=car, weather=weather)


# what the air takes


def test_at_the_visibility_a_contrast_has_fallen_to_one_twentieth() -> None:
    fog = day("fog")
    air = Air.of(fog)
    assert math.exp(-air.extinction_per_m * fog.visibility_m) == pytest.approx(0.05)
    assert fog.visibility_m == pytest.approx(2.9957 / 0.022, rel=1e-4)
    assert air.backscattering_per_m_sr == pytest.approx(0.046 / fog.visibility_m)


@pytest.mark.parametrize("rate", [1.0, 10.0, 25.0, 100.0])
def test_rain_takes_twice_the_cross_section_of_its_drops(rate: float) -> None:
    shadow, step_mm = 0.0, 0.005
    for number in range(4000):
        diameter_mm = (number + 0.5) * step_mm
        drops_per_m3 = 8000 * math.exp(-4.1 * rate**-0.21 * diameter_mm) * step_mm
        shadow += drops_per_m3 * math.pi / 4 * (diameter_mm * 1e-3) ** 2
    assert rain_extinction_per_m(rate) == pytest.approx(2 * shadow, rel=1e-3)
    measured_per_m = 1.076 * rate**0.67 / (10 / math.log(10)) / 1000  # a fit to links: within half as much again
    assert 1 / 1.6 < rain_extinction_per_m(rate) / measured_per_m < 1.6


def test_only_fog_and_rain_send_echoes_back() -> None:
    for name in WEATHERS:
        weather = day(name)
        air = Air.of(weather)
        if name in ("rain", "fog"):
            assert air.backscattering_per_m_sr > 0
        else:
            assert air == Air(weather.fog_per_m * 0.3, 0.0)
            assert weather.wetness == 0
    assert Air.of(day("rain")).extinction_per_m == pytest.approx(0.3 * 0.009 + 0.000365 * 25**0.63, rel=2e-3)
    assert rain_extinction_per_m(0.0) == 0.0


@pytest.mark.parametrize("range_m", [5.0, 30.0, 60.0])
def test_an_echo_fades_with_exp_of_minus_two_alpha_r(range_m: float) -> None:
    """Reflectivity 0.08 + 0.75 / 2; the sensor tells 255 of it, 0.3 less at its farthest."""
    for air in (THINNEST, FOG):
        echoes = echoes_from(Material.PLAIN1, 1.0, range_m, air)
        left = 0.455 * math.exp(-2 * air.extinction_per_m * range_m)
        expected = 255 * left * (1 - 0.3 * range_m / FARTHEST_M)
        assert echoes.intensity.mean() == pytest.approx(expected, rel=0.01)
        assert echoes.received.mean() == pytest.approx(left * (60 / range_m) ** 2, rel=0.01)
        assert len(np.unique(echoes.received)) > 1000


@pytest.mark.parametrize("range_m", [20.0, 40.0, 60.0, 80.0])
def test_fog_shortens_the_range_of_dark_things(range_m: float) -> None:
    """Tyres: reflectivity 0.05 with a spread of 0.012, a tenth lost; 1 - exp(-p / 0.035) of echoes are noticed.

    The mean over a normal spread s of exp(-k rho) is exp(-k m + (k s)^2 / 2).
    """
    shares = []
    for air in (THINNEST, FOG):
        k = math.exp(-2 * air.extinction_per_m * range_m) * (60 / range_m) ** 2 / 0.035
        expected = 0.9 * (1 - math.exp(-k * 0.05 + (k * 0.012) ** 2 / 2))
        share = float(echoes_from(Material.TIRE, 1.0, range_m, air).detected.mean())
        assert share == pytest.approx(expected, abs=4 * math.sqrt(0.25 / SHOTS))
        shares.append(share)
    assert shares[1] < shares[0]
    if range_m >= 60:
        assert shares[1] < 0.3 * shares[0]


# wet ground


def wet_share(cos_incidence: float, reflectivity: float) -> float:
    """Fresnel by angles; every order of reflection between ground and film, one after the other."""
    incidence = math.acos(cos_incidence)
    inside = math.asin(math.sin(incidence) / 1.33)
    across = (math.sin(incidence - inside) / math.sin(incidence + inside)) ** 2
    along = (math.tan(incidence - inside) / math.tan(incidence + inside)) ** 2
    through = 1 - (across + along) / 2
    thrown_back = 1 - (1 - 0.066) / 1.33**2
    orders = sum((reflectivity * thrown_back) ** order for order in range(60))
    return through**2 / 1.33**2 * orders


@pytest.mark.parametrize("cos_incidence", [0.99, 0.5, 0.2, 0.05])
@pytest.mark.parametrize("wetness", [0.3, 1.0])
def test_wet_ground_sends_back_less_and_at_grazing_angles_nothing(cos_incidence: float, wetness: float) -> None:
    """Kerbs have a reflectivity of 0.28; its spread hardly bends the ratio."""
    dry = echoes_from(Material.CURB, cos_incidence, 15.0, THINNEST)
    wet = echoes_from(Material.CURB, cos_incidence, 15.0, THINNEST, wetness)
    expected = 1 - wetness + wetness * wet_share(cos_incidence, 0.28)
    assert wet.received.mean() / dry.received.mean() == pytest.approx(expected, rel=0.01)
    assert wet.intensity.mean() / dry.intensity.mean() == pytest.approx(expected, abs=0.02)
    assert not (wet.detected & ~dry.detected).any()


def test_far_wet_road_is_not_noticed() -> None:
    """From 1.84 m the ray to a road 30 m away has cos 0.061, and water mirrors nearly nine tenths of each passage."""
    dry, wet = (echoes_from(Material.ROAD, 1.84 / 30, 30.0, THINNEST, wetness) for wetness in (0.0, 1.0))
    assert dry.detected.mean() > 0.9
    assert wet.detected.mean() < 0.3 * dry.detected.mean()


def test_water_lies_on_pavement_alone() -> None:
    for material in (Material.GRASS, Material.FACADE, Material.VEHICLE):
        dry, wet = (echoes_from(material, 0.3, 15.0, THINNEST, wetness) for wetness in (0.0, 1.0))
        np.testing.assert_array_equal(dry.received, wet.received)


# what the air sends back


@pytest.mark.parametrize("range_m", [1.5, 4.7, 12.0, 40.0])
def test_the_echo_of_fog_is_the_pulse_over_every_metre_of_it(range_m: float) -> None:
    alpha, beta, tau_s, light_m_s = 0.02, 3e-4, 20e-9, 299_792_458.0
    integral, steps = 0.0, 20_000
    for step in range(steps):
        time_s = (step + 0.5) * 2 * tau_s / steps
        r = range_m - light_m_s * time_s / 2
        seen = min(max((r - 0.9) / 0.1, 0.0), 1.0)
        if seen:
            pulse = math.sin(math.pi * time_s / (2 * tau_s)) ** 2
            integral += pulse * seen * math.exp(-2 * alpha * r) / r**2 * 2 * tau_s / steps
    response = soft_response(alpha, beta, 1.0)
    power = 0.3 * 60**2 * beta / (1e-6 / math.pi) * integral
    here = round(range_m / 0.1)
    slope = (response.area[here + 1] - response.area[here - 1]) / 0.2
    assert slope == pytest.approx(power, rel=0.02 if range_m > 2 else 0.05)
    strongest = response.strongest[here]
    assert strongest >= power * 0.999
    if range_m <= 4.7:  # still rising
        assert strongest == pytest.approx(power, rel=5e-3)
    else:
        assert strongest == response.strongest.max()


def test_false_echoes_have_the_share_and_the_ranges_of_their_density() -> None:
    air = Air(0.022, 3.4e-4)
    shots = 200_000
    echoes = false_echoes(air, np.full(shots, np.inf), np.zeros(shots), 1.0, FARTHEST_M, np.random.default_rng(0))
    response = soft_response(0.022, 3.4e-4, 1.0)
    expected = 1 - math.exp(-response.strongest.max() / 0.035)
    assert 0.05 < expected < 0.3
    assert echoes.reported.mean() == pytest.approx(expected, abs=4 * math.sqrt(0.25 / shots))
    ranges_m = echoes.range_m[echoes.reported]
    for limit_m in (2.0, 4.0, 6.0, 10.0, 30.0):
        below = np.interp(limit_m, response.ranges_m, response.area) / response.area[-1]
        assert np.mean(ranges_m < limit_m) == pytest.approx(below, abs=4 * math.sqrt(0.25 / len(ranges_m)))
    assert echoes.intensity[echoes.reported].max() < 10


def test_false_echoes_lie_before_things_and_yield_to_stronger_ones() -> None:
    air, shots = Air(0.022, 3.4e-4), 50_000
    rng = np.random.default_rng(0)
    free_m = rng.uniform(0.5, 20.0, shots)
    alone = false_echoes(air, free_m, np.zeros(shots), 1.0, FARTHEST_M, rng)
    assert alone.reported.sum() > 1000
    assert (alone.range_m <= free_m + 1e-9)[alone.reported].all()
    assert (alone.range_m > 1.0)[alone.reported].all()
    assert not alone.reported[free_m < 1.0].any()
    outdone = false_echoes(air, free_m, np.full(shots, 0.02), 1.0, FARTHEST_M, rng)
    assert not outdone.reported.any()


# whole sweeps


def test_without_extinction_and_drops_fog_is_clear_air() -> None:
    """And the generator of the air is not that of surfaces."""
    clear, empty_fog = (day(fog_per_m=0.0, fog_droplets=droplets) for droplets in (False, True))
    first, second = sweep(street(clear)), sweep(street(empty_fog))
    for field in dataclasses.fields(Scan):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name))
    assert first.on_surface.all()


@pytest.mark.parametrize("name", ["rain", "fog"])
def test_bad_weather_takes_points_dims_the_others_and_adds_noise(name: str) -> None:
    clear, bad = sweep(street(day())), sweep(street(day(name)))
    before = dict(zip(shots_of(clear), range(len(clear)), strict=True))
    assert len(set(shots_of(bad))) == len(bad)  # no shot is reported twice
    real = np.flatnonzero(bad.on_surface)
    rows = np.array([before[shot] for shot, own in zip(shots_of(bad), bad.on_surface, strict=True) if own])
    assert len(real) < 0.98 * len(clear)
    np.testing.assert_array_equal(bad.points_lidar[real], clear.points_lidar[rows])
    np.testing.assert_array_equal(bad.semantic[real], clear.semantic[rows])
    assert (bad.intensity[real] <= clear.intensity[rows]).all()
    assert bad.intensity[real].mean() < 0.9 * clear.intensity[rows].mean()

    false = ~bad.on_surface
    assert 20 < false.sum() < 0.2 * len(bad)
    np.testing.assert_array_equal(bad.semantic[false], Semantic.DROPLETS)
    np.testing.assert_array_equal(bad.instance[false], 0)
    range_m = np.linalg.norm(bad.points_lidar[false], axis=1)
    assert np.median(range_m) < 8
    assert (bad.points_lidar[false, 2] > -1.84).all()  # above the ground
    again = sweep(street(day(name)))
    np.testing.assert_array_equal(again.points_lidar, bad.points_lidar)
    assert np.diff(bad.time_s).min() >= 0


def test_droplets_are_of_no_box_and_seen_by_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    place = street(day("fog", fog_per_m=0.08))
    monkeypatch.setattr(streetsim.recording, "build_scenario", lambda *_: place.scenario)
    rig = Rig("handmade", LIDAR, (CameraMount("CAM_FRONT", (1.0, 0.0, 1.5), 0.0, 120.0, 32, 24),))
    recording = Recording(rig, "none", "fog", 0, 1, 0, 0)
    keyframe = recording.keyframe(0)
    scan, false = keyframe.scan, ~keyframe.scan.on_surface
    assert false.sum() > 500
    assert not keyframe.shots[0].answers.seen[false].any()
    assert keyframe.shots[0].answers.seen[scan.instance == 5].any()
    np.testing.assert_array_equal(keyframe.flow_m[false], 0)
    assert not keyframe.moving[false].any()
    everywhere = ThingBox(9, "vehicle.car", "", np.zeros(3), np.full(3, 400.0), np.eye(3), np.zeros(3))
    (annotation,) = recording._annotations([everywhere], {9: [0, 0]}, scan, 0.0)
    assert annotation.points == scan.on_surface.sum() < len(scan)
