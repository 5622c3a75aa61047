"""Detection: boxes of ten classes from a VoxelNet, trained with few labels and scored as nuScenes scores them."""
