"""Compare the native engine with the consensus of the Image Biomarker Standardisation Initiative.

Zwanenburg et al. 2020, Radiology 295(2):328-338. A folder holds the initiative's phantoms and reference values:
ibsi_1_digital_phantom, ibsi_1_ct_radiomics_phantom and reference/ibsi_1_reference_values_*.csv.
"""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from FeatureExtractorLib.radiomics.native.engine import CLASSES, NativeEngine
from FeatureExtractorLib.radiomics.presets import load_settings, parse_settings

# Tags of the reference files. Those of textures continue with how slices and directions are put together.
TAGS: Mapping[str, Mapping[str, str]] = {
    "diagnostics": {
        "Image-original_Mean": "mean_int_init_img",
        "Image-original_Minimum": "min_int_init_img",
        "Image-original_Maximum": "max_int_init_img",
        "Mask-original_VoxelNum": "int_mask_vox_count_init_roi",
        "Image-interpolated_Mean": "mean_int_interp_img",
        "Image-interpolated_Minimum": "min_int_interp_img",
        "Image-interpolated_Maximum": "max_int_interp_img",
        "Mask-interpolated_VoxelNum": "int_mask_vox_count_interp_roi",
        "Mask-interpolated_Mean": "int_mask_mean_int_interp_roi",
        "Mask-interpolated_Minimum": "int_mask_min_int_interp_roi",
        "Mask-interpolated_Maximum": "int_mask_max_int_interp_roi",
    },
    "shape": {
        "MeshVolume": "morph_volume",
        "VoxelVolume": "morph_vol_approx",
        "SurfaceArea": "morph_area_mesh",
        "SurfaceVolumeRatio": "morph_av",
        "Compactness1": "morph_comp_1",
        "Compactness2": "morph_comp_2",
        "SphericalDisproportion": "morph_sph_dispr",
        "Sphericity": "morph_sphericity",
        "Maximum3DDiameter": "morph_diam",
        "MajorAxisLength": "morph_pca_maj_axis",
        "MinorAxisLength": "morph_pca_min_axis",
        "LeastAxisLength": "morph_pca_least_axis",
        "Elongation": "morph_pca_elongation",
        "Flatness": "morph_pca_flatness",
    },
    "firstorder": {
        "Mean": "stat_mean",
        "Variance": "stat_var",
        "Skewness": "stat_skew",
        "Kurtosis": "stat_kurt",
        "Median": "stat_median",
        "Minimum": "stat_min",
        "10Percentile": "stat_p10",
        "90Percentile": "stat_p90",
        "Maximum": "stat_max",
        "InterquartileRange": "stat_iqr",
        "Range": "stat_range",
        "MeanAbsoluteDeviation": "stat_mad",
        "RobustMeanAbsoluteDeviation": "stat_rmad",
        "Energy": "stat_energy",
        "RootMeanSquared": "stat_rms",
        "Entropy": "ih_entropy",
        "Uniformity": "ih_uniformity",
    },
    "glcm": {
        "MaximumProbability": "cm_joint_max",
        "JointAverage": "cm_joint_avg",
        "SumSquares": "cm_joint_var",
        "JointEntropy": "cm_joint_entr",
        "DifferenceAverage": "cm_diff_avg cm_dissimilarity",
        "DifferenceVariance": "cm_diff_var",
        "DifferenceEntropy": "cm_diff_entr",
        "SumAverage": "cm_sum_avg",
        "SumEntropy": "cm_sum_entr",
        "JointEnergy": "cm_energy",
        "Contrast": "cm_contrast",
        "Id": "cm_inv_diff",
        "Idn": "cm_inv_diff_norm",
        "Idm": "cm_inv_diff_mom",
        "Idmn": "cm_inv_diff_mom_norm",
        "InverseVariance": "cm_inv_var",
        "Correlation": "cm_corr",
        "Autocorrelation": "cm_auto_corr",
        "ClusterTendency": "cm_clust_tend cm_sum_var",
        "ClusterShade": "cm_clust_shade",
        "ClusterProminence": "cm_clust_prom",
        "Imc1": "cm_info_corr1",
        "Imc2": "cm_info_corr2",
    },
    "glrlm": {
        "ShortRunEmphasis": "rlm_sre",
        "LongRunEmphasis": "rlm_lre",
        "LowGrayLevelRunEmphasis": "rlm_lgre",
        "HighGrayLevelRunEmphasis": "rlm_hgre",
        "ShortRunLowGrayLevelEmphasis": "rlm_srlge",
        "ShortRunHighGrayLevelEmphasis": "rlm_srhge",
        "LongRunLowGrayLevelEmphasis": "rlm_lrlge",
        "LongRunHighGrayLevelEmphasis": "rlm_lrhge",
        "GrayLevelNonUniformity": "rlm_glnu",
        "GrayLevelNonUniformityNormalized": "rlm_glnu_norm",
        "RunLengthNonUniformity": "rlm_rlnu",
        "RunLengthNonUniformityNormalized": "rlm_rlnu_norm",
        "RunPercentage": "rlm_r_perc",
        "GrayLevelVariance": "rlm_gl_var",
        "RunVariance": "rlm_rl_var",
        "RunEntropy": "rlm_rl_entr",
    },
    "glszm": {
        "SmallAreaEmphasis": "szm_sze",
        "LargeAreaEmphasis": "szm_lze",
        "LowGrayLevelZoneEmphasis": "szm_lgze",
        "HighGrayLevelZoneEmphasis": "szm_hgze",
        "SmallAreaLowGrayLevelEmphasis": "szm_szlge",
        "SmallAreaHighGrayLevelEmphasis": "szm_szhge",
        "LargeAreaLowGrayLevelEmphasis": "szm_lzlge",
        "LargeAreaHighGrayLevelEmphasis": "szm_lzhge",
        "GrayLevelNonUniformity": "szm_glnu",
        "GrayLevelNonUniformityNormalized": "szm_glnu_norm",
        "SizeZoneNonUniformity": "szm_zsnu",
        "SizeZoneNonUniformityNormalized": "szm_zsnu_norm",
        "ZonePercentage": "szm_z_perc",
        "GrayLevelVariance": "szm_gl_var",
        "ZoneVariance": "szm_zs_var",
        "ZoneEntropy": "szm_zs_entr",
    },
    "ngtdm": {
        "Coarseness": "ngt_coarseness",
        "Contrast": "ngt_contrast",
        "Busyness": "ngt_busyness",
        "Complexity": "ngt_complexity",
        "Strength": "ngt_strength",
    },
    "gldm": {
        "SmallDependenceEmphasis": "ngl_lde",
        "LargeDependenceEmphasis": "ngl_hde",
        "LowGrayLevelEmphasis": "ngl_lgce",
        "HighGrayLevelEmphasis": "ngl_hgce",
        "SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge",
        "SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge",
        "LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge",
        "LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge",
        "GrayLevelNonUniformity": "ngl_glnu",
        "DependenceNonUniformity": "ngl_dcnu",
        "DependenceNonUniformityNormalized": "ngl_dcnu_norm",
        "GrayLevelVariance": "ngl_gl_var",
        "DependenceVariance": "ngl_dc_var",
        "DependenceEntropy": "ngl_dc_entr",
    },
}
BY_DIRECTION = ("glcm", "glrlm")


@dataclass(frozen=True)
class Dataset:
    """An image of the initiative with the settings to measure it by.

    spaces: how textures see the region, "3D" or "2_5D": neighbours in space, or in the slice, over all slices.
    """

    name: str
    folder: str
    reference: str
    setting: Mapping[str, Any]
    spaces: tuple[str, ...]

    def images(self, folder: Path) -> tuple[sitk.Image, sitk.Image]:
        """Image and mask (uint8 0/1) on the image's grid."""
        files = folder / self.folder / "nifti"
        image = sitk.ReadImage(str(files / "image" / "phantom.nii.gz"))
        mask = sitk.Cast(sitk.ReadImage(str(files / "mask" / "mask.nii.gz")) > 0, sitk.sitkUInt8)
        mask.CopyInformation(image)
        return image, mask


def _configuration(letter: str, space: str) -> Dataset:
    setting = load_settings(f"ibsi-{letter.lower()}").setting
    return Dataset(f"Configuration {letter}", "ibsi_1_ct_radiomics_phantom", f"config_{letter}", setting, (space,))


DATASETS = (
    Dataset(
        "Digital phantom",
        "ibsi_1_digital_phantom",
        "digital_phantom",
        {"definition": "ibsi", "binWidth": 1, "additionalInfo": True},
        ("3D", "2_5D"),
    ),
    _configuration("A", "2_5D"),
    _configuration("B", "2_5D"),
    _configuration("C", "3D"),
    _configuration("D", "3D"),
    _configuration("E", "3D"),
)


@dataclass(frozen=True)
class Comparison:
    """One measured feature beside the consensus; `consensus` is the published text, whose digits say its rounding."""

    feature: str
    code: str
    tag: str
    value: float
    consensus: str
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether the value lies within the tolerance, give or take the rounding of the published number."""
        distance = abs(self.value - float(self.consensus))
        return distance <= (self.tolerance + rounding(self.consensus)) * (1 + 1e-9)


def rounding(text: str) -> float:
    """Half a unit of the last digit of a published number, of which the first three at least are significant."""
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    significant = max(3, len(digits if "." in text else digits.rstrip("0")))
    value = abs(float(text))
    return 0.5 * 10.0 ** (math.floor(math.log10(value)) + 1 - significant) if value else 0.0


def compare(dataset: Dataset, folder: Path, definition: str = "ibsi") -> list[Comparison]:
    """Every feature of the dataset that has a standardised consensus value, in the order of TAGS."""
    published = consensus(dataset, folder)
    image, mask = dataset.images(folder)
    compared = []
    for space in dataset.spaces:
        for merged in (False, True):
            families = BY_DIRECTION if merged else tuple(TAGS)
            if space != dataset.spaces[0]:
                families = tuple(f for f in families if f not in ("diagnostics", "shape", "firstorder"))
            changes: dict[str, Any] = {"definition": definition, "force2D": space == "2_5D"}
            if merged:
                changes["weightingNorm"] = "no_weighting"
            classes = {family: list(TAGS[family]) for family in families if family != "diagnostics"}
            settings = parse_settings(
                dataset.name, {"setting": {**dataset.setting, **changes}, "featureClass": classes}
            )
            values = NativeEngine().extract(image, mask, settings)
            for family, feature, tag in _tags(families, space, merged):
                name = f"diagnostics_{feature}" if family == "diagnostics" else f"original_{family}_{feature}"
                if name in values and tag in published:
                    code = "" if family == "diagnostics" else CLASSES[family].features[feature].ibsi
                    label = feature if family == "diagnostics" else f"{family} {feature}"
                    compared.append(Comparison(label, code, tag, values[name], *published[tag]))
    return compared


def _tags(families: tuple[str, ...], space: str, merged: bool) -> Iterator[tuple[str, str, str]]:
    for family in families:
        whole = family in ("diagnostics", "shape", "firstorder")
        suffix = "" if whole else f"_{space}"
        if family in BY_DIRECTION:
            suffix += "_comb" if merged else "_avg"
        for feature, stems in TAGS[family].items():
            for stem in stems.split():
                yield family, feature, stem + suffix


def consensus(dataset: Dataset, folder: Path) -> dict[str, tuple[str, float]]:
    """Published value and tolerance by tag, without what is not standardised."""
    path = folder / "reference" / f"ibsi_1_reference_values_{dataset.reference}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["tag"]: (row["reference value"], float(row["tolerance"])) for row in rows if row["tolerance"]}
