"""Oracle: cross products and counting in loops."""

from __future__ import annotations

import numpy as np
import pytest

from streetsim.assets.solids import ball, box, tube
from streetsim.assets.template import Assembly, Template
from streetsim.materials import PARAMETERS, Material
from streetsim.mesh import concatenate, empty_mesh
from streetsim.poses import pose_matrix, rotation_matrix
from streetsim.scenario import TOWNS
from streetsim.semantics import Semantic
from tests.streetsim.worlds import world


def cube() -> Template:
    assembly = Assembly(Semantic.CAR)
    assembly.add(box((0, 0, 0.5), (1, 1, 1)), Material.PLAIN1)
    return assembly.template()


def volume(template: Template) -> float:
    """Sum of signed tetrahedra: positive if the faces of a closed surface are counter-clockwise from outside."""
    corners = template.vertices_m.reshape(-1, 3, 3).astype(np.float64)
    return float(np.einsum("ti,ti->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def test_solids_have_their_volume_and_face_outwards() -> None:
    for solid, expected, tolerance in [
        (box((3, 1, 2), (2, 3, 4)), 24.0, 1e-5),
        (tube((0, 0, 0), (0, 0, 2), 1.0, sides=64), 2 * np.pi, 0.02),
        (tube((1, 1, 1), (4, 1, 1), 0.5, sides=64), 3 * np.pi / 4, 0.02),
        (ball((1, 2, 3), 1.0, rings=48, sides=48), 4 * np.pi / 3, 0.05),
    ]:
        assembly = Assembly(Semantic.CAR)
        assembly.add(solid, Material.PLAIN1)
        assert volume(assembly.template()) == pytest.approx(expected, abs=tolerance)


def test_sharp_edges_stay_sharp_and_round_ones_become_smooth() -> None:
    corners = cube().vertices_m.reshape(-1, 3, 3)
    for corner, normals in zip(corners, cube().normals.reshape(-1, 3, 3), strict=True):
        face = np.cross(corner[1] - corner[0], corner[2] - corner[0])
        np.testing.assert_allclose(normals, np.tile(face / np.linalg.norm(face), (3, 1)), atol=1e-6)
    assembly = Assembly(Semantic.CAR)
    assembly.add(ball((0, 0, 0), 1.0, rings=24, sides=24), Material.PLAIN1)
    sphere = assembly.template()
    np.testing.assert_allclose(sphere.normals, sphere.vertices_m, atol=0.1)


def test_faces_without_area_are_left_out() -> None:
    assembly = Assembly(Semantic.CAR)
    assembly.add(box((0, 0, 0), (1, 1, 0)), Material.PLAIN1)
    assert len(assembly.template().material) == 4


def test_placing_turns_moves_and_stretches() -> None:
    template = cube()
    pose = pose_matrix((10, 20, 30), yaw_rad=np.pi / 2)
    mesh = template.place(pose, object_row=5, instance=7, scale=(2, 1, 1))
    low, high = mesh.vertices_m.min(0), mesh.vertices_m.max(0)
    # Twice as long along its own x, which now points along y.
    np.testing.assert_allclose(low, [9.5, 19, 30], atol=1e-5)
    np.testing.assert_allclose(high, [10.5, 21, 31], atol=1e-5)
    assert set(mesh.object_row) == {5}
    assert set(mesh.instance) == {7}
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)


def test_positive_pitch_lowers_the_nose_and_positive_roll_raises_the_left_side() -> None:
    assert (rotation_matrix(0.3, pitch_rad=0.1) @ [1, 0, 0])[2] < 0
    assert (rotation_matrix(0.3, roll_rad=0.1) @ [0, 1, 0])[2] > 0
    np.testing.assert_allclose(rotation_matrix(np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_concatenation_keeps_every_triangle() -> None:
    first = cube().place(pose_matrix((0, 0, 0), 0.0), 1)
    second = cube().place(pose_matrix((5, 0, 0), 0.0), 2)
    both = concatenate([first, empty_mesh(), second])
    assert len(both) == len(first) + len(second)
    for mesh, start in ((first, 0), (second, len(first))):
        for k in range(len(mesh)):
            np.testing.assert_array_equal(
                both.vertices_m[both.triangles[start + k]], mesh.vertices_m[mesh.triangles[k]]
            )
            assert both.object_row[start + k] == mesh.object_row[k]
    assert len(concatenate([])) == 0


@pytest.mark.parametrize("town", TOWNS)
def test_meshes_of_a_scenario_are_sound(town: str) -> None:
    scenario = world(town)
    for mesh in (scenario.static, scenario.dynamic_mesh(1.0)):
        assert np.isfinite(mesh.vertices_m).all()
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
        assert mesh.triangles.min() == 0
        assert mesh.triangles.max() == len(mesh.vertices_m) - 1
        assert mesh.material.max() < len(Material)
        assert mesh.semantic.min() > Semantic.NONE
        assert mesh.semantic.max() < len(Semantic)
        assert mesh.object_row.min() >= 0
        assert mesh.object_row.max() < len(scenario.object_parameters)
        corners = mesh.vertices_m[mesh.triangles].astype(np.float64)
        double_area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        assert np.mean(double_area < 1e-9) == 0
    assert scenario.object_parameters.shape[1] == PARAMETERS
    assert np.isfinite(scenario.object_parameters).all()
