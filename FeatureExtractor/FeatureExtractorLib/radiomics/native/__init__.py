"""Radiomics without a compiler: the same features, names and numbers as PyRadiomics."""
