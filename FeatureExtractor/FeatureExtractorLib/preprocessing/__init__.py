"""Make images comparable: bias field, voxel grid, intensities."""
