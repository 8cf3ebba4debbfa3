"""Reports of a patient and of a trained model, as HTML and PDF from one description of the content."""

from .patient import patient_pdf, patient_report
from .pictures import tumour_picture

__all__ = ["patient_pdf", "patient_report", "tumour_picture"]
