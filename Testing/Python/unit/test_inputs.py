import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from FeatureExtractorLib.deep.inputs import (
    VIEWS,
    SliceSettings,
    chosen_slice,
    grey_channels,
    slice_input,
    standardise,
    tumour_slices,
)
from FeatureExtractorLib.errors import InputError
from FeatureExtractorLib.extraction import ExtractionSettings
from FeatureExtractorLib.regions import jet_pseudo_colour


def disc(rows: int, columns: int, centre: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.ogrid[:rows, :columns]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).gamma(4.0, 100.0, (128, 160))


def test_input_has_the_networks_shape_and_range(picture) -> None:
    mask = disc(128, 160, (60, 90), 20)
    crop, region = slice_input(picture, mask)
    assert crop.shape == (3, 224, 224)
    assert crop.dtype == np.float32
    assert 0 <= crop.min() < 0.1
    assert 0.9 < crop.max() <= 1
    assert np.array_equal(crop[0], crop[2])
    assert (region.side, region.row0, region.col0) == (62, 60 - 20 - 10, 90 - 20 - 10)  # 41 pixels and 25 % each side


def test_an_input_of_the_crops_own_size_is_the_standardised_crop(picture) -> None:
    mask = disc(128, 160, (60, 90), 16)
    crop, region = slice_input(picture, mask, SliceSettings(margin=0.0, size=33))
    own = picture[44:77, 74:107]
    low, high = np.percentile(own, [1, 99])
    assert region.side == 33
    np.testing.assert_allclose(crop[1], np.clip((own - low) / (high - low), 0, 1), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3), row=st.integers(0, 60), column=st.integers(0, 60))
def test_gain_and_offset_of_the_scanner_do_not_matter(gain: float, offset: float, row: int, column: int) -> None:
    image = np.random.default_rng(1).normal(size=(61, 61))
    mask = disc(61, 61, (row, column), 9)  # near an edge the crop reaches outside
    plain, region = slice_input(image, mask, SliceSettings(size=64))
    scaled, same = slice_input(gain * image + offset, mask, SliceSettings(size=64))
    assert region == same
    np.testing.assert_allclose(scaled, plain, atol=1e-4)


def test_what_lies_outside_the_slice_is_black(picture) -> None:
    crop, region = slice_input(picture - 5000, disc(128, 160, (0, 80), 12), SliceSettings(size=64))
    assert region.row0 < 0
    outside = int(-region.row0 * 64 / region.side)
    assert not crop[:, : outside - 1].any()
    assert crop[:, outside + 1 :].mean() > 0.2


def test_a_flat_crop_is_black() -> None:
    assert not standardise(np.full((4, 4), 7), np.ones((4, 4), bool), 1, 99).any()


def test_channels_without_copying() -> None:
    crops = np.zeros((2, 4, 5), np.float32)
    images = grey_channels(crops)
    assert images.shape == (2, 3, 4, 5)
    assert np.shares_memory(images, crops)


def test_slices_with_tumour() -> None:
    array = np.zeros((6, 4, 4), np.uint8)
    array[[1, 4], 2, 2] = 1
    assert tumour_slices(sitk.GetImageFromArray(array)) == [1, 4]


def test_the_bounding_box_alone_is_seen_on_black(picture) -> None:
    mask = np.zeros(picture.shape, bool)
    mask[40:80, 50:70] = True
    crop, region = slice_input(picture, mask, SliceSettings(size=40, view="bounding-box"))
    assert (region.row0, region.col0, region.side) == (40, 40, 40)
    own = picture[40:80, 50:70]
    low, high = np.percentile(own, [1, 99])
    np.testing.assert_allclose(crop[0, :, 10:30], np.clip((own - low) / (high - low), 0, 1), atol=1e-6)
    assert not crop[:, :, :10].any()
    assert not crop[:, :, 30:].any()
    everywhere = slice_input(picture + 1e5 * ~mask, mask, SliceSettings(size=40, view="bounding-box"))[0]
    np.testing.assert_allclose(everywhere, crop, atol=1e-6, err_msg="what lies around the box does not matter")


@pytest.mark.parametrize("view", VIEWS)
def test_pseudo_colours_are_those_of_the_grey_input(picture, view: str) -> None:
    mask = disc(128, 160, (60, 90), 20)
    grey, region = slice_input(picture, mask, SliceSettings(size=64, view=view))
    jet, same = slice_input(picture, mask, SliceSettings(size=64, view=view, colour="jet"))
    assert region == same
    assert jet.shape == (3, 64, 64)
    assert jet.dtype == np.float32
    np.testing.assert_allclose(jet, jet_pseudo_colour(grey[0]), atol=1e-5)
    assert not np.array_equal(jet[0], jet[2])


def test_the_chosen_slice() -> None:
    array = np.zeros((9, 6, 6), np.uint8)
    array[2:7, 2, 2] = 1
    array[6, 1:5, 1:5] = 1
    mask = sitk.GetImageFromArray(array)
    assert {view: chosen_slice(mask, SliceSettings(view=view)) for view in VIEWS} == {
        "maximum-area": 6,
        "centre": 4,
        "bounding-box": 6,
    }


def test_extraction_gives_each_network_its_own_input_size() -> None:
    sizes = {name: ExtractionSettings(backbone=name).crop.size for name in ("", "vgg16", "inception_v3")}
    assert sizes == {"": 224, "vgg16": 224, "inception_v3": 299}
    assert ExtractionSettings(backbone="inception_v3", crop=SliceSettings(colour="jet")).crop.colour == "jet"
    with pytest.raises(InputError, match="no backbone called 'vgg17'"):
        ExtractionSettings(backbone="vgg17")


def test_what_cannot_be_cropped_is_refused(picture) -> None:
    with pytest.raises(InputError, match="empty"):
        slice_input(picture, np.zeros((128, 160), bool))
    for wrong in ({"margin": -0.1}, {"size": 8}, {"low": 60.0, "high": 40.0}, {"view": "all"}, {"colour": "red"}):
        with pytest.raises(InputError, match="crop"):
            SliceSettings(**wrong)
