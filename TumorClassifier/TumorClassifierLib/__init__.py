"""Decide: numbers to a class, a probability, an explanation and a report."""
