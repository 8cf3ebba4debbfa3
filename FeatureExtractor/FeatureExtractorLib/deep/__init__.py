"""Features from convolutional networks."""
