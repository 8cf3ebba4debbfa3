"""What can go wrong, in words that a user can act on.

Every message is one sentence that names the thing, says what is wrong with it and what to do. Libraries raise
these; the hosts (Slicer panels, command line, browser) show them.
"""


class TumorClassifierError(Exception):
    """Base of every error that a host shows to the user as a sentence."""


class InputError(TumorClassifierError):
    """A file, table, setting or image cannot be used as given."""


class GeometryError(InputError):
    """Two images that must share a voxel grid do not."""


class EngineUnavailable(InputError):
    """The computing engine that was asked for is not installed."""


class WeightsUnavailable(TumorClassifierError):
    """Network weights can neither be found nor downloaded, or are not the ones expected."""


class BundleRejected(TumorClassifierError):
    """A model file is damaged, forged, of a newer format, or not a model file."""


class Cancelled(TumorClassifierError):
    """The user asked for the work to stop."""
