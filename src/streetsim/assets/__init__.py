"""Shapes of things: what a street is furnished and peopled with, each in its own frame."""
