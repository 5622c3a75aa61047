"""Oracle: every ray against every triangle, by the definition in loops; what is nearer is known by hand."""

import numpy as np

from streetsim.mesh import Mesh
from streetsim.raycast import Bvh, World
from streetsim.visible import pixels_with_motion, within_wedge


def triangles(rng: np.random.Generator, count: int, size_m: float = 2.0) -> Mesh:
    corners = rng.uniform(-5, 5, (count, 1, 3)) + rng.uniform(-size_m, size_m, (count, 3, 3))
    vertices = corners.reshape(-1, 3).astype(np.float32)
    return Mesh(
        vertices_m=vertices,
        normals=np.tile(np.float32([0, 0, 1]), (3 * count, 1)),
        local=vertices,
        triangles=np.arange(3 * count, dtype=np.int32).reshape(-1, 3),
        material=np.zeros(count, np.uint8),
        object_row=np.zeros(count, np.int32),
        semantic=np.arange(count, dtype=np.uint8),
        instance=np.zeros(count, np.int32),
    )


def nearest_by_hand(mesh: Mesh, origin: np.ndarray, direction: np.ndarray) -> tuple[int, float]:
    """Möller and Trumbore, ray by ray and triangle by triangle."""
    best, best_m = -1, np.inf
    for number, (a, b, c) in enumerate(mesh.vertices_m[mesh.triangles].astype(np.float64)):
        across = np.cross(direction, c - a)
        determinant = np.dot(b - a, across)
        if abs(determinant) < 1e-12:
            continue
        u = np.dot(origin - a, across) / determinant
        turned = np.cross(origin - a, b - a)
        v = np.dot(direction, turned) / determinant
        distance = np.dot(c - a, turned) / determinant
        if u >= 0 and v >= 0 and u + v <= 1 and 0 < distance < best_m:
            best, best_m = number, distance
    return best, best_m


def rays(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return rng.uniform(-8, 8, (count, 3)).astype(np.float32), directions.astype(np.float32)


def test_both_parts_together_are_one_world() -> None:
    rng = np.random.default_rng(1)
    standing, moving = triangles(rng, 40), triangles(rng, 30)
    world = World(Bvh(standing), moving)
    origins, directions = rays(rng, 400)
    hits = world.nearest(origins, directions)
    blocked = world.blocked(origins, directions, 4.0)
    found = 0
    for ray in range(len(origins)):
        origin, direction = origins[ray].astype(np.float64), directions[ray].astype(np.float64)
        options = [nearest_by_hand(standing, origin, direction), nearest_by_hand(moving, origin, direction)]
        part = int(options[1][1] < options[0][1])
        triangle, distance = options[part]
        assert hits.triangle[ray] == (-1 if triangle < 0 else triangle + part * len(standing))
        assert blocked[ray] == (distance < 4.0)
        if triangle >= 0:
            found += 1
            np.testing.assert_allclose(hits.distance_m[ray], distance, rtol=1e-4, atol=1e-4)
            semantic = (moving if part else standing).semantic[triangle]
            assert world.per_triangle("semantic", hits.triangle[ray : ray + 1], -1)[0] == semantic
    assert found > 40


def test_rays_that_are_no_candidates_miss_what_moves_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    standing, moving = triangles(rng, 20), triangles(rng, 20)
    origins, directions = rays(rng, 300)
    chosen = np.arange(0, 300, 3)
    world = World(Bvh(standing), moving)
    some = world.nearest(origins, directions, chosen)
    everything, nothing = world.nearest(origins, directions), World(Bvh(standing), None).nearest(origins, directions)
    np.testing.assert_array_equal(some.triangle[chosen], everything.triangle[chosen])
    others = np.setdiff1d(np.arange(300), chosen)
    np.testing.assert_array_equal(some.triangle[others], nothing.triangle[others])
    assert (everything.triangle != nothing.triangle).any()


def test_a_wedge_keeps_every_triangle_that_a_ray_inside_it_can_meet() -> None:
    rng = np.random.default_rng(3)
    mesh = triangles(rng, 300, size_m=0.5)
    apex, heading, half = np.array([-4.0, 1.0, 0.0]), 0.3, 0.6
    # a triangle may reach into the wedge with no corner inside, but not farther than its longest edge
    kept = within_wedge(mesh, apex[:2], heading, half, margin_m=1.8)
    assert 0 < len(kept) < len(mesh)
    azimuth, height = heading + rng.uniform(-half, half, 500), rng.uniform(-1, 1, 500)
    directions = np.stack([np.cos(azimuth), np.sin(azimuth), height], axis=1)
    directions = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
    origins = np.tile(apex.astype(np.float32), (500, 1))
    whole, part = Bvh(mesh).nearest(origins, directions), Bvh(kept).nearest(origins, directions)
    np.testing.assert_allclose(whole.distance_m, part.distance_m)
    assert (whole.triangle >= 0).sum() > 30


def test_every_pixel_that_shows_something_moving_is_a_candidate() -> None:
    rng = np.random.default_rng(4)
    mesh = triangles(rng, 6)
    cam_from_world = np.eye(4)
    cam_from_world[2, 3] = 9.0  # looks along z from nine metres away
    intrinsics = np.array([[60.0, 0, 49.5], [0, 60.0, 29.5], [0, 0, 1]])
    candidates = pixels_with_motion(mesh, cam_from_world, intrinsics, 100, 60)
    pixels = np.arange(6000)
    along = np.stack([(pixels % 100 - 49.5) / 60, (pixels // 100 - 29.5) / 60, np.ones(6000)], axis=1)
    directions = (along / np.linalg.norm(along, axis=1, keepdims=True)).astype(np.float32)
    origins = np.tile(np.float32([0, 0, -9]), (6000, 1))
    shows = Bvh(mesh).nearest(origins, directions).triangle >= 0
    assert shows.sum() > 100
    assert not (shows & ~candidates).any()
    assert candidates.sum() < 6000
