"""Pretraining: one loop, and the parts it is made of, a file each."""
