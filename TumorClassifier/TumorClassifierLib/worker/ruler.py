"""What measures the outlines of one case."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from FeatureExtractorLib.alignment import Alignment
from FeatureExtractorLib.threads import one_thread

from ..measures import frozen_network

if TYPE_CHECKING:
    from FeatureExtractorLib.extraction import ExtractionSettings


class Ruler:
    """Images read and corrected once, engine and networks found once."""

    def __init__(
        self,
        images: Mapping[str, Path],
        settings: "ExtractionSettings",
        spacing: Sequence[float] | None = None,
        backbones: Sequence[str] = (),
    ) -> None:
        """Raises InputError as `plan_extraction`, `read_image`, `align` and N4 do."""
        from FeatureExtractorLib.alignment import align
        from FeatureExtractorLib.extraction import plan_extraction
        from FeatureExtractorLib.preprocessing.n4 import correct_bias_field
        from FeatureExtractorLib.preprocessing.resampling import orient
        from FeatureExtractorLib.radiomics.engine import get_engine
        from FeatureExtractorLib.radiomics.presets import parse_settings
        from FeatureExtractorLib.reading import read_image

        self._settings = settings
        plan = plan_extraction(settings)
        self._radiomics, self._engine = plan.radiomics, get_engine(plan.settings.engine, plan.radiomics)
        if spacing is not None:
            content = plan.radiomics.to_dict()
            content["setting"] |= {"resampledPixelSpacing": [float(mm) for mm in spacing]}
            self._radiomics = parse_settings(plan.radiomics.name, content)
        self._networks = [replace(settings, backbone=name) for name in backbones]
        for network in self._networks:
            frozen_network(network.backbone, network.weights)  # refuses, before long work, what cannot be had
        read = {name: read_image(path) for name, path in images.items()}
        self.reference = next(iter(read.values()), None)
        aligned = align(read, None, {}, Alignment(reference=next(iter(read), "")), "case").images
        self._images = {name: orient(image, "LPS") for name, image in aligned.items()}
        self._measured = dict(self._images)
        if settings.n4 != "none":
            with one_thread():
                for name, image in self._images.items():
                    self._measured[name] = correct_bias_field(image, method=settings.n4).corrected

    def measure(self, mask: sitk.Image, name: str) -> dict[str, float | None]:
        """The features of an outline on the reference's grid, NaN as None; raises InputError as the engine does."""
        from FeatureExtractorLib.case import make_case
        from FeatureExtractorLib.deep.features import pooled_features
        from FeatureExtractorLib.extraction import network_input
        from FeatureExtractorLib.preparation import Preparation, check_not_negative, prepare
        from FeatureExtractorLib.preprocessing.resampling import orient

        make_case(name, self._images, orient(mask, "LPS"))  # refuses what cannot be measured
        features: dict[str, float] = {}
        with one_thread():
            for modality, image in self._measured.items():
                if self._settings.n4 != "none":
                    check_not_negative(self._images[modality], orient(mask, "LPS"))
                prepared = prepare(image, mask, Preparation(n4="none", intensity=self._settings.intensity))
                measured = self._engine.extract(prepared.image, prepared.mask, self._radiomics)
                features |= {f"{modality}.{key}": value for key, value in measured.items()}
                for one in self._networks:
                    seen = network_input(prepared, one.crop)[np.newaxis]
                    pooled = pooled_features(frozen_network(one.backbone, one.weights), seen)[0]
                    features |= {f"{modality}.{one.backbone}_{i}": float(x) for i, x in enumerate(pooled)}
        return {key: value if isfinite(value) else None for key, value in features.items()}

    def provenance(self) -> dict[str, Any]:
        """What the numbers were made with, as plain values."""
        from FeatureExtractorLib.deep.backbones import parse_weights
        from FeatureExtractorLib.provenance import versions

        return {
            "settings": {**asdict(self._settings), "radiomics": self._radiomics.to_dict()},
            "engine": f"{self._engine.name} {self._engine.version}",
            "networks": {one.backbone: parse_weights(one.weights).describe() for one in self._networks},
            "versions": versions(),
        }
