"""The FeatureExtractor panel in 3D Slicer."""
