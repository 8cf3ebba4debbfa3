"""The native engine against the consensus of the Image Biomarker Standardisation Initiative on its digital phantom.

Zwanenburg et al. 2020, Radiology 295(2):328-338. A value agrees when it lies within the consensus tolerance and the
rounding of the published number. Two definitions differ as PyRadiomics' do and are converted: kurtosis is 3 for a
normal distribution instead of 0, and axis lengths divide the voxels' covariance by n instead of n - 1. Features
without a counterpart in the reference (MCC, total energy, planar diameters) are not compared.
"""

import csv
import math

import pytest
import SimpleITK as sitk

from FeatureExtractorLib.radiomics.native.engine import NativeEngine
from FeatureExtractorLib.radiomics.presets import parse_settings

VOXELS = 74  # of the phantom's region
SETTINGS = parse_settings("ibsi", {"setting": {"binWidth": 1}})

REFERENCE = {
    "shape": {
        "MeshVolume": "morph_volume",
        "VoxelVolume": "morph_vol_approx",
        "SurfaceArea": "morph_area_mesh",
        "SurfaceVolumeRatio": "morph_av",
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
        "MaximumProbability": "cm_joint_max_3D_avg",
        "JointAverage": "cm_joint_avg_3D_avg",
        "SumSquares": "cm_joint_var_3D_avg",
        "JointEntropy": "cm_joint_entr_3D_avg",
        "DifferenceAverage": "cm_diff_avg_3D_avg",
        "DifferenceVariance": "cm_diff_var_3D_avg",
        "DifferenceEntropy": "cm_diff_entr_3D_avg",
        "SumAverage": "cm_sum_avg_3D_avg",
        "SumEntropy": "cm_sum_entr_3D_avg",
        "JointEnergy": "cm_energy_3D_avg",
        "Contrast": "cm_contrast_3D_avg",
        "Id": "cm_inv_diff_3D_avg",
        "Idn": "cm_inv_diff_norm_3D_avg",
        "Idm": "cm_inv_diff_mom_3D_avg",
        "Idmn": "cm_inv_diff_mom_norm_3D_avg",
        "InverseVariance": "cm_inv_var_3D_avg",
        "Correlation": "cm_corr_3D_avg",
        "Autocorrelation": "cm_auto_corr_3D_avg",
        "ClusterTendency": "cm_clust_tend_3D_avg",
        "ClusterShade": "cm_clust_shade_3D_avg",
        "ClusterProminence": "cm_clust_prom_3D_avg",
        "Imc1": "cm_info_corr1_3D_avg",
        "Imc2": "cm_info_corr2_3D_avg",
    },
    "glrlm": {
        "ShortRunEmphasis": "rlm_sre_3D_avg",
        "LongRunEmphasis": "rlm_lre_3D_avg",
        "LowGrayLevelRunEmphasis": "rlm_lgre_3D_avg",
        "HighGrayLevelRunEmphasis": "rlm_hgre_3D_avg",
        "ShortRunLowGrayLevelEmphasis": "rlm_srlge_3D_avg",
        "ShortRunHighGrayLevelEmphasis": "rlm_srhge_3D_avg",
        "LongRunLowGrayLevelEmphasis": "rlm_lrlge_3D_avg",
        "LongRunHighGrayLevelEmphasis": "rlm_lrhge_3D_avg",
        "GrayLevelNonUniformity": "rlm_glnu_3D_avg",
        "GrayLevelNonUniformityNormalized": "rlm_glnu_norm_3D_avg",
        "RunLengthNonUniformity": "rlm_rlnu_3D_avg",
        "RunLengthNonUniformityNormalized": "rlm_rlnu_norm_3D_avg",
        "RunPercentage": "rlm_r_perc_3D_avg",
        "GrayLevelVariance": "rlm_gl_var_3D_avg",
        "RunVariance": "rlm_rl_var_3D_avg",
        "RunEntropy": "rlm_rl_entr_3D_avg",
    },
    "glszm": {
        "SmallAreaEmphasis": "szm_sze_3D",
        "LargeAreaEmphasis": "szm_lze_3D",
        "LowGrayLevelZoneEmphasis": "szm_lgze_3D",
        "HighGrayLevelZoneEmphasis": "szm_hgze_3D",
        "SmallAreaLowGrayLevelEmphasis": "szm_szlge_3D",
        "SmallAreaHighGrayLevelEmphasis": "szm_szhge_3D",
        "LargeAreaLowGrayLevelEmphasis": "szm_lzlge_3D",
        "LargeAreaHighGrayLevelEmphasis": "szm_lzhge_3D",
        "GrayLevelNonUniformity": "szm_glnu_3D",
        "GrayLevelNonUniformityNormalized": "szm_glnu_norm_3D",
        "SizeZoneNonUniformity": "szm_zsnu_3D",
        "SizeZoneNonUniformityNormalized": "szm_zsnu_norm_3D",
        "ZonePercentage": "szm_z_perc_3D",
        "GrayLevelVariance": "szm_gl_var_3D",
        "ZoneVariance": "szm_zs_var_3D",
        "ZoneEntropy": "szm_zs_entr_3D",
    },
    "ngtdm": {
        "Coarseness": "ngt_coarseness_3D",
        "Contrast": "ngt_contrast_3D",
        "Busyness": "ngt_busyness_3D",
        "Complexity": "ngt_complexity_3D",
        "Strength": "ngt_strength_3D",
    },
    "gldm": {
        "SmallDependenceEmphasis": "ngl_lde_3D",
        "LargeDependenceEmphasis": "ngl_hde_3D",
        "LowGrayLevelEmphasis": "ngl_lgce_3D",
        "HighGrayLevelEmphasis": "ngl_hgce_3D",
        "SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge_3D",
        "SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge_3D",
        "LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge_3D",
        "LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge_3D",
        "GrayLevelNonUniformity": "ngl_glnu_3D",
        "DependenceNonUniformity": "ngl_dcnu_3D",
        "DependenceNonUniformityNormalized": "ngl_dcnu_norm_3D",
        "GrayLevelVariance": "ngl_gl_var_3D",
        "DependenceVariance": "ngl_dc_var_3D",
        "DependenceEntropy": "ngl_dc_entr_3D",
    },
}


@pytest.fixture(scope="module")
def consensus(data_dir):
    """Published value (as text, for its rounding) and tolerance by tag."""
    path = data_dir / "ibsi" / "reference" / "ibsi_1_reference_values_digital_phantom.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["tag"]: (row["reference value"], row["tolerance"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def features(data_dir):
    folder = data_dir / "ibsi" / "ibsi_1_digital_phantom" / "nifti"
    image = sitk.ReadImage(str(folder / "image" / "phantom.nii.gz"))
    mask = sitk.Cast(sitk.ReadImage(str(folder / "mask" / "mask.nii.gz")) == 1, sitk.sitkUInt8)
    return NativeEngine().extract(image, mask, SETTINGS)


@pytest.mark.parametrize("family", REFERENCE)
def test_consensus_on_the_digital_phantom(features, consensus, family):
    for feature, tag in REFERENCE[family].items():
        text, tolerance = consensus[tag]
        value = as_ibsi(feature, features[f"original_{family}_{feature}"])
        assert abs(value - float(text)) <= float(tolerance) + rounding(text), (feature, value, text)


def as_ibsi(feature: str, value: float) -> float:
    """The value by IBSI's definition."""
    if feature == "Kurtosis":
        return value - 3
    return value * math.sqrt(VOXELS / (VOXELS - 1)) if feature.endswith("AxisLength") else value


def rounding(text: str) -> float:
    """Half a unit of the last digit that was published, three significant ones at least."""
    whole, _, decimals = text.lstrip("-").partition(".")
    return 0.5 * 10.0 ** (-len(decimals) if decimals else max(len(whole) - 3, 0))
