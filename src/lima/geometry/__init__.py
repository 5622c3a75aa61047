"""Rigid transforms, cameras, voxels and boxes: pure functions and small frozen dataclasses, in metres."""
