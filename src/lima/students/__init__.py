"""LiDAR networks: points in, one feature per point out."""
