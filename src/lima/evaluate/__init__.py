"""Metrics, probing and reports."""
