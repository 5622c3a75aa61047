"""Procedural streets with ray-cast LiDAR and cameras, written as nuScenes and SemanticKITTI data."""
