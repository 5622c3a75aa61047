"""The eight corruptions of Robo3D on the fly, for any LiDAR, and what they cost a segmenter."""
