"""Results as MRML nodes, in Slicer and on slicer-core alike."""
