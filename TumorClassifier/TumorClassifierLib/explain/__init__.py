"""Where a network looked and what moved a score."""
