"""Procedural textures: colour, gloss and paint of a surface at a point, filtered by the size of a pixel there."""
