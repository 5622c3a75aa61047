"""Poses from the sweeps themselves, for drives that have none, and how good they look."""
