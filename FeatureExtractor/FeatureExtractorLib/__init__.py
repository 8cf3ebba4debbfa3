"""Measure: images to numbers. Never imports the scene, and nothing heavy until it is used."""
