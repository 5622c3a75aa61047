"""Oracle: definitions in loops (containment, overlap of polygons), finite differences, and a second process."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

from streetsim.mesh import Mesh
from streetsim.scenario import TOWNS, WEATHERS, Scenario, ThingBox, build_scenario
from streetsim.semantics import NUSCENES_CATEGORIES, NUSCENES_FROM_SEMANTIC, Semantic
from streetsim.traffic.traffic import EGO_FRONT_M, EGO_LENGTH_M, EGO_WIDTH_M
from streetsim.weather import draw_weather
from tests.oracles.polygons import is_inside, overlap_area, rectangle
from tests.streetsim.worlds import DURATION_S, world

LONG_S = 100.0


def digest(scenario: Scenario) -> str:
    """One number for everything that sensors can see of a scenario."""
    state = hashlib.sha256()
    for mesh in (scenario.static, scenario.dynamic_mesh(0.0), scenario.dynamic_mesh(3.21)):
        for field in fields(Mesh):
            state.update(np.ascontiguousarray(getattr(mesh, field.name)).tobytes())
    for array in (scenario.object_parameters, scenario.weather.vector(), scenario.town.vertical_streets):
        state.update(array.tobytes())
    for box in scenario.boxes(2.5):
        state.update(f"{box.instance} {box.category} {box.attribute}".encode())
        state.update(box.centre_m.tobytes() + box.rotation.tobytes() + box.velocity_mps.tobytes())
    state.update(scenario.ego_pose(1.7).tobytes())
    return state.hexdigest()


def test_the_same_seed_gives_the_same_bytes_in_every_process() -> None:
    program = (
        "from tests.streetsim.test_world_scenario import digest\n"
        "from streetsim.scenario import build_scenario\n"
        "print(digest(build_scenario('downtown', 'fog', 3, 6.0)))\n"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    here = digest(build_scenario("downtown", "fog", 3, 6.0))
    assert here == digest(build_scenario("downtown", "fog", 3, 6.0))
    assert here == other.stdout.strip()
    assert here != digest(build_scenario("downtown", "fog", 4, 6.0))


def test_the_weather_changes_nothing_but_the_light() -> None:
    dry, wet = world("euro"), build_scenario("euro", "rain", 0, DURATION_S)
    np.testing.assert_array_equal(dry.static.vertices_m, wet.static.vertices_m)
    np.testing.assert_array_equal(dry.ego_pose(3.0), wet.ego_pose(3.0))
    assert (dry.weather.name, wet.weather.name) == ("clear", "rain")
    assert wet.weather.wetness > dry.weather.wetness


def test_every_weather_has_a_sun_above_the_horizon() -> None:
    for weather in WEATHERS:
        for seed in range(5):
            day = draw_weather(weather, np.random.default_rng(seed))
            vector = day.vector()
            assert vector.shape == (24,)
            assert np.linalg.norm(vector[:3]) == pytest.approx(1)
            assert vector[2] > 0
            assert vector[15] == day.fog_per_m
            assert vector[22] == day.casts_shadows


@pytest.mark.parametrize("town", TOWNS)
def test_boxes_hold_their_things(town: str) -> None:
    """At least 99 % of the vertices of every instance lie in its box, on hills too, and the box is not too large."""
    scenario = world(town)
    for time_s in (0.0, 2.73):
        meshes = scenario.static, scenario.dynamic_mesh(time_s)
        seen = 0
        for box in scenario.boxes(time_s):
            for mesh in meshes:
                triangles = mesh.triangles[mesh.instance == box.instance]
                if not len(triangles):
                    continue
                seen += 1
                own = (mesh.vertices_m[triangles.ravel()] - box.centre_m) @ box.rotation
                assert np.mean(np.all(np.abs(own) < box.size_m / 2 + 2e-3, axis=1)) >= 0.99
                # The box of somebody who walks holds the longest stride.
                filled = (own.max(0) - own.min(0)) / box.size_m
                assert np.all(filled > (0.3 if box.category.startswith("human") else 0.95))
        assert seen > 30
        annotated = set(np.concatenate([np.unique(mesh.instance) for mesh in meshes])) - {0}
        assert annotated <= {box.instance for box in scenario.boxes(time_s)}


@pytest.mark.parametrize("town", TOWNS)
def test_boxes_say_what_their_triangles_say(town: str) -> None:
    scenario = world(town)
    boxes = {box.instance: box for box in scenario.boxes(0.0)}
    assert len(boxes) == len(scenario.boxes(0.0))
    for mesh in (scenario.static, scenario.dynamic_mesh(0.0)):
        named = np.unique(np.stack([mesh.instance, mesh.semantic], -1)[mesh.instance > 0], axis=0)
        for instance, semantic in named:
            assert NUSCENES_CATEGORIES[NUSCENES_FROM_SEMANTIC[semantic]] == boxes[instance].category


@pytest.mark.parametrize("town", TOWNS)
def test_nobody_overlaps_anybody(town: str) -> None:
    scenario = world(town)
    for time_s in (0.0, 1.4, 5.3):
        boxes = scenario.boxes(time_s)
        outlines = [_outline(box) for box in boxes]
        ego = _ego_outline(scenario, time_s)
        for outline in outlines:
            assert overlap_area(ego, outline) < 0.02
        centres = np.array([box.centre_m[:2] for box in boxes])
        for a, b in itertools.combinations(range(len(boxes)), 2):
            if np.hypot(*(centres[a] - centres[b])) < 15 and not _is_one_vehicle(boxes[a], boxes[b]):
                shared = overlap_area(outlines[a], outlines[b])
                assert shared < 0.02, f"{boxes[a].category} and {boxes[b].category} share {shared:.2f} m2"


def _outline(box: ThingBox) -> np.ndarray:
    yaw = np.arctan2(box.rotation[1, 0], box.rotation[0, 0])
    return rectangle(box.centre_m[0], box.centre_m[1], yaw, box.size_m[0] / 2, box.size_m[1] / 2)


def _ego_outline(scenario: Scenario, time_s: float) -> np.ndarray:
    pose = scenario.ego_pose(time_s)
    middle = pose[:3, :3] @ [EGO_FRONT_M - EGO_LENGTH_M / 2, 0, 0] + pose[:3, 3]
    return rectangle(middle[0], middle[1], np.arctan2(pose[1, 0], pose[0, 0]), EGO_LENGTH_M / 2, EGO_WIDTH_M / 2)


def _is_one_vehicle(first: ThingBox, second: ThingBox) -> bool:
    """The sections of a bendy bus, or a truck and its trailer, may touch in a bend."""
    pair = {first.category, second.category}
    return pair in ({"vehicle.bus.bendy"}, {"vehicle.truck", "vehicle.trailer"})


@pytest.mark.parametrize("town", TOWNS)
def test_nobody_drives_off_the_street(town: str) -> None:
    """The middle of no vehicle, and no corner of the ego, ever comes into a block."""
    scenario = world(town, 0, LONG_S)
    terrain = scenario.town.terrain
    blocks = [np.stack(terrain.world(*block.ring(0.0).T), -1) for block in scenario.town.blocks]
    low = np.array([outline.min(0) for outline in blocks])
    high = np.array([outline.max(0) for outline in blocks])

    def is_off(place: np.ndarray) -> bool:
        near = np.flatnonzero(np.all((place > low) & (place < high), axis=1))
        return any(is_inside(blocks[k], float(place[0]), float(place[1])) for k in near)

    for time_s in np.arange(0, LONG_S, 4.0):
        for corner in _ego_outline(scenario, time_s):
            assert not is_off(corner)
        for actor in scenario.actors:
            if actor.asset.category.startswith("vehicle"):
                assert not is_off(actor.trajectory.position(time_s)[:2]), f"{actor.asset.category} at {time_s} s"


@pytest.mark.parametrize("town", TOWNS)
def test_the_ego_drives_smoothly_for_minutes(town: str) -> None:
    scenario = world(town, 0, LONG_S)
    step_s = 0.1
    poses = np.stack([scenario.ego_pose(time_s) for time_s in np.arange(0, LONG_S, step_s)])
    rotations = poses[:, :3, :3]
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (len(poses), 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)
    velocity = np.diff(poses[:, :3, 3], axis=0) / step_s
    speed = np.linalg.norm(velocity, axis=1)
    assert speed.max() < 15
    assert speed.sum() * step_s > 2.5 * LONG_S
    assert np.abs(np.diff(speed) / step_s).max() < 9
    yaw = np.unwrap(np.arctan2(rotations[:, 1, 0], rotations[:, 0, 0]))
    yaw_rate = np.diff(yaw) / step_s
    assert np.abs(yaw_rate).max() < 1.0
    assert np.abs(yaw_rate * speed).max() < 5.0
    assert np.ptp(yaw) > np.pi
    # A car does not slide: the rear axle moves along the car's x.
    is_moving = speed > 1
    sideways = np.einsum("ti,ti->t", velocity, rotations[:-1, :, 1])
    assert np.abs(sideways[is_moving] / speed[is_moving]).max() < 0.12


@pytest.mark.parametrize("town", TOWNS)
def test_the_road_lies_under_the_wheels(town: str) -> None:
    """On hills the ego's axes lie in the ground: the terrain's height below its front is where its x axis points."""
    scenario = world(town)
    for time_s in (0.0, 3.0, 7.0):
        pose = scenario.ego_pose(time_s)
        for own in ([2.5, 0, 0], [0, 0.8, 0], [0, 0, 0]):
            x, y, z = pose[:3, :3] @ own + pose[:3, 3]
            assert z == pytest.approx(float(scenario.town.terrain.height(x, y)), abs=0.02)


@pytest.mark.parametrize("town", TOWNS)
def test_velocity_is_the_change_of_place(town: str) -> None:
    scenario = world(town)
    before = {box.instance: box.centre_m for box in scenario.boxes(2.0)}
    after = {box.instance: box.centre_m for box in scenario.boxes(2.1)}
    moving = 0
    for box in scenario.boxes(2.05):
        change = (after[box.instance] - before[box.instance]) / 0.1
        np.testing.assert_allclose(box.velocity_mps, change, atol=0.6)
        speed = np.hypot(*box.velocity_mps[:2])
        moving += speed > 1
        if box.attribute in ("vehicle.parked", "vehicle.stopped", "pedestrian.standing", "cycle.without_rider", ""):
            assert speed < 0.31
        if box.attribute == "vehicle.moving" and speed > 1:
            assert box.velocity_mps @ box.rotation[:, 0] > 0.8 * speed
    assert moving > 5


def test_every_class_occurs_over_a_handful_of_scenes() -> None:
    semantics: set[int] = set()
    attributes: set[str] = set()
    categories: set[str] = set()
    for town, seed in itertools.product(TOWNS, (0, 1)):
        scenario = world(town, seed)
        for mesh in (scenario.static, scenario.dynamic_mesh(0.0), scenario.dynamic_mesh(DURATION_S)):
            semantics |= set(np.unique(mesh.semantic).tolist())
        categories |= {box.category for box in scenario.boxes(0.0)}
        attributes |= {box.attribute for box in scenario.boxes(0.0)}
    rare = {Semantic.NONE, Semantic.DROPLETS, Semantic.POLICE_CAR, Semantic.AMBULANCE}
    assert set(Semantic) - rare <= {Semantic(semantic) for semantic in semantics}
    assert {"vehicle.moving", "vehicle.stopped", "vehicle.parked", "cycle.with_rider"} <= attributes
    assert {"cycle.without_rider", "pedestrian.moving", "pedestrian.standing", ""} <= attributes
    assert "vehicle.bus.bendy" in categories


def test_towns_differ_in_layout_and_look() -> None:
    towns = [world(name).town for name in TOWNS]
    assert len({town.road_style.tobytes() for town in towns}) == len(TOWNS)
    assert len({town.vertical_streets.tobytes() for town in towns}) == len(TOWNS)
    buildings = [np.mean(world(name).static.semantic == Semantic.BUILDING) for name in TOWNS]
    assert len(set(buildings)) == len(TOWNS)


def test_streets_are_empty_without_density() -> None:
    scenario = build_scenario("downtown", "clear", 0, 4.0, density=0.0)
    assert scenario.actors == ()


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="town 'gotham' is unknown; choose one of downtown, residential"):
        build_scenario("gotham", "clear", 0, 4.0)
    with pytest.raises(ValueError, match="weather 'hail' is unknown; choose one of clear, golden"):
        build_scenario("euro", "hail", 0, 4.0)
    with pytest.raises(ValueError, match="duration_s must be positive, got 0"):
        build_scenario("euro", "clear", 0, 0.0)
    with pytest.raises(ValueError, match="seed must not be negative, got -1"):
        build_scenario("euro", "clear", -1, 4.0)
    with pytest.raises(ValueError, match=r"time 30.0 s lies outside the scenario, which lasts from 0 to 8.0 s"):
        world("euro").ego_pose(30.0)
