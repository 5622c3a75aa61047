"""What stands between a frame and a training step: point-pixel pairs, lanes, augmentation."""
