"""The TumorClassifier panel in 3D Slicer."""
