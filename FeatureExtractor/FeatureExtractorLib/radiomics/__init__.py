"""Radiomics behind one interface, by PyRadiomics or by our own engine."""
