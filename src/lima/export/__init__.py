"""Pretrained networks for other libraries: their containers, key names and kernel layouts, and proof that they fit."""
