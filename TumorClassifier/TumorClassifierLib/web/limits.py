"""How much one user, and all together, may ask of the server."""

from dataclasses import dataclass

MEGABYTE = 1 << 20

IMAGE_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha", ".zip", ".dcm")
SEGMENTATION_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha", ".dcm")

# kind in the page: file in the session's folder of downloads, which the user gets under the same name, and its words.
DOWNLOADS = {
    "report": ("report.html", "Report (HTML)"),
    "pdf": ("report.pdf", "Report (PDF)"),
    "scene": ("case.mrb", "Scene for 3D Slicer (.mrb)"),
    "map": ("cam.nrrd", "Map (NRRD)"),
    "segmentation": ("segmentation.nrrd", "Segmentation (NRRD)"),
    "features": ("features.csv", "Features (CSV)"),
    "prediction": ("prediction.json", "Prediction (JSON)"),
}


@dataclass(frozen=True)
class Limits:
    """sessions: at a time. idle_minutes: without a user's doing; away_minutes: without an open page. upload_megabytes:
    of one upload, and unpacked of one zip file. files: of one DICOM folder. kept_megabytes: of all uploads of a
    session. images: in one case. memory_megabytes: of a session's process."""

    sessions: int = 4
    idle_minutes: float = 30.0
    away_minutes: float = 5.0
    upload_megabytes: int = 512
    kept_megabytes: int = 2048
    files: int = 4000
    images: int = 6
    memory_megabytes: int = 4096

    @property
    def upload_bytes(self) -> int:
        """The largest upload."""
        return self.upload_megabytes * MEGABYTE

    @property
    def kept_bytes(self) -> int:
        """What a session's uploads may come to."""
        return self.kept_megabytes * MEGABYTE


def suffix_of(name: str, allowed: tuple[str, ...]) -> str:
    """The allowed suffix that a file's name ends in, in small letters; empty where there is none."""
    lower = name.lower()
    return next((suffix for suffix in sorted(allowed, key=len, reverse=True) if lower.endswith(suffix)), "")
