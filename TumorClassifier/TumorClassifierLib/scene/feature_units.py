"""Units of radiomics features, where they have one: shape is measured in millimetres, texture in pure numbers."""

SHAPE_UNITS = {
    "MeshVolume": "mm³",
    "VoxelVolume": "mm³",
    "SurfaceArea": "mm²",
    "SurfaceVolumeRatio": "1/mm",
    "MeshSurface": "mm²",
    "PixelSurface": "mm²",
    "Perimeter": "mm",
    "PerimeterSurfaceRatio": "1/mm",
    "Maximum3DDiameter": "mm",
    "Maximum2DDiameterSlice": "mm",
    "Maximum2DDiameterColumn": "mm",
    "Maximum2DDiameterRow": "mm",
    "MaximumDiameter": "mm",
    "MajorAxisLength": "mm",
    "MinorAxisLength": "mm",
    "LeastAxisLength": "mm",
}


def feature_unit(name: str) -> str:
    """The unit of a feature such as "original_shape_MeshVolume"; empty where it has none or the image's own."""
    _, family, feature = name.rsplit("_", 2) if name.count("_") >= 2 else ("", "", name)
    return SHAPE_UNITS.get(feature, "") if family.startswith("shape") else ""
