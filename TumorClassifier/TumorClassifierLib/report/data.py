"""The report's sections on the patients and on how their images were prepared."""

from collections.abc import Mapping, Sequence
from typing import Any

from .content import INDENT, Block, Bullets, Heading, Table, Text, facts
from .evidence import Evidence
from .numbers import DASH, counted, listed, p_value, percent

N4 = {
    "none": "The bias field was not corrected.",
    "itk": "The bias field was corrected by N4 (ITK).",
    "fast": "The bias field was corrected by N4 (the same algorithm as ITK's, in a faster form).",
}
INTENSITIES = {
    "none": "Intensities were left as the scanner gave them.",
    "percentiles": "The 0.5th to 99.5th percentile of the head's intensities became 0 to 1000.",
    "z-score": "Intensities became z-scores of the head, times 100.",
    "peak": "Intensities were scaled so that the commonest tissue of the head is at 500.",
}
REGISTERED = {"rigid": "rigid registration", "affine": "affine registration"}
VIEWS = {
    "maximum-area": "the axial slice with most tumour, in a square with context",
    "centre": "the tumour's middle axial slice, in a square with context",
    "bounding-box": "what is inside the tumour's bounding box, on black",
}


def data_section(e: Evidence) -> list[Block]:
    """Who was trained on: counts, the table by class, what whoever trained the model said of the data."""
    cohort, about = e.manifest["cohort"], e.manifest.get("about") or {}
    rows = [
        ("patients", str(e.patients)),
        *((f"{INDENT}{name}", f"{n} ({percent(n / e.patients)})") for name, n in e.by_class.items()),
        ("images", str(cohort["cases"])),
        ("left out", f"{counted(int(cohort.get('failures', 0)), 'case')} that could not be measured"),
        *((f"{part['name']}", f"{counted(int(part['patients']), 'patient')}") for part in (*e.test, *e.outer)),
        ("description", about.get("data") or "not stated by who trained the model"),
        ("licence and source", about.get("licence") or "not stated"),
        ("intended use", about.get("intended_use") or "research on cohorts like the one it was trained on"),
    ]
    return [Heading("Data"), facts(rows), *cohort_blocks(e.cohort_table, e.classes)]


def cohort_blocks(table: Mapping[str, Any], order: Sequence[str]) -> list[Block]:
    """The table of clinical variables by class, with the tests' names, p and corrected p."""
    if not table.get("rows"):
        return [Text("The manifest has no clinical variables, so there is no table of them by class.", "note")]
    classes = sorted(table["classes"], key=lambda name: order.index(name) if name in order else len(order))
    heads = [f"{name} (n = {table['classes'][name]})" for name in classes]
    correction = str(table.get("correction", "Holm"))
    rows, tests = [], []
    for row in table["rows"]:
        level = row.get("level")
        name = f"{INDENT}{level}" if level is not None else str(row["variable"])
        own = level is None
        if own and row.get("why"):
            tests.append(f"{row['variable']}: {row['test']}, {row['why']}")
        rows.append(
            (
                name,
                str(row["all"]) or "",
                *(str(row["by_class"].get(label, "")) for label in classes),
                str(row.get("missing", 0)) if own else "",
                str(row["test"]) if own else "",
                p_value(row.get("p")) if own else "",
                p_value(row.get("p_corrected")) if own else "",
            )
        )
    whole = sum(table["classes"].values())
    return [
        Table(
            ("Variable", f"All (n = {whole})", *heads, "Missing", "Test", "p", f"p ({correction})"),
            tuple(rows),
            caption="Patients by class",
            note=" ".join([str(table.get("rule") or ""), *[f"{test}." for test in tests]]).strip(),
            numeric=(len(classes) + 2, len(classes) + 4, len(classes) + 5),
        )
    ]


def preparation_section(e: Evidence) -> list[Block]:
    """How an image became numbers, from the settings, in words."""
    said = [*_images(e), *_radiomics(e), *_network(e), *_missing(e)]
    return [Heading("How cases were prepared"), Bullets(tuple(said))]


def _images(e: Evidence) -> list[str]:
    settings, preparation = e.settings, e.settings.get("preparation") or {}
    said = [f"Images: {listed(e.modalities)}, reoriented to axial slices."]
    if settings.get("slice_spacing"):
        said.append(f"Single slices were taken to have voxels of {_size(settings['slice_spacing'])}.")
    alignment = settings.get("alignment") or {}
    if alignment.get("register", "none") != "none":
        to = f" to {alignment['reference']}" if alignment.get("reference") else ""
        said.append(f"Images of a case were brought onto one grid by {REGISTERED[alignment['register']]}{to}.")
    elif alignment.get("reference"):
        said.append(f"Images of a case were resliced onto the grid of {alignment['reference']}, without registration.")
    elif len(e.modalities) > 1:
        said.append("Images of a case shared a grid already; nothing was registered.")
    if preparation:
        said.append(N4[preparation["n4"]])
        said.append(INTENSITIES[preparation["intensity"]])
        if preparation.get("region") == "slice":
            said.append("Radiomics was measured on the tumour's maximum-area axial slice, not on the volume.")
    return said


def _radiomics(e: Evidence) -> list[str]:
    if not e.radiomics:
        return ["No radiomics features were measured."]
    setting, classes = e.setting, list(e.radiomics.get("featureClass") or ())
    version = (e.manifest.get("versions") or {}).get("pyradiomics", "")
    engine = e.manifest.get("engine", "")
    said = [
        f"Radiomics by the {engine} engine{f' {version}' if engine == 'pyradiomics' and version else ''}: image types "
        f"{listed([_image_type(name, values or {}) for name, values in e.radiomics['imageType'].items()])}; feature "
        f"classes {listed(classes) if classes else 'all'}."
    ]
    spacing = setting.get("resampledPixelSpacing")
    if spacing:
        said.append(f"For radiomics images were resampled to {_size(spacing)}, {setting.get('interpolator')}.")
    if setting.get("binCount"):
        said.append(f"Grey levels: {setting['binCount']} bins.")
    elif setting.get("binWidth"):
        said.append(f"Grey levels: bins {setting['binWidth']:g} wide.")
    if setting.get("force2D"):
        said.append("Textures were measured slice by slice (2D).")
    return said


def _image_type(name: str, values: Mapping[str, Any]) -> str:
    if name == "LoG" and values.get("sigma"):
        return f"LoG (sigma {listed([f'{float(s):g}' for s in values['sigma']])} mm)"
    return f"{name} ({values['wavelet']})" if values.get("wavelet") else name


def _network(e: Evidence) -> list[str]:
    settings, crop, training = e.settings, e.settings.get("crop") or {}, e.settings.get("training") or {}
    said = []
    networks = e.manifest.get("networks") or e.manifest.get("weights_origin")
    if networks:
        said.append(f"Networks: {networks}.")
    if crop:
        size, colour = crop.get("size"), "Jet pseudo-colours" if crop.get("colour") == "jet" else "grey levels"
        margin = (
            "" if crop.get("view") == "bounding-box" else f", {percent(crop.get('margin'), 0)} of margin around it"
        )
        spacing = (settings.get("preparation") or {}).get("spacing") or ()
        grid = f"a grid of {_size(spacing)}" if any(spacing) else "the image's own grid"
        said.append(
            f"A network sees {VIEWS.get(str(crop.get('view')), 'a slice')}{margin}, on {grid}, brought to "
            f"{size} × {size} pixels; percentiles {crop.get('low'):g} and {crop.get('high'):g} of the crop become the "
            f"ends of the {colour}."
        )
    if training:
        said.append(
            f"Training: {counted(int(training['epochs']), 'epoch')}, batches of {training['batch_size']}, learning "
            f"rate {training['learning_rate']:g}, momentum {training['momentum']:g}, weight decay "
            f"{training['weight_decay']:g}, dropout {training['dropout']:g}, "
            f"{'with' if training['augmentation'] else 'without'} augmentation."
        )
    return said


def _missing(e: Evidence) -> list[str]:
    variables = e.manifest.get("clinical") or ()
    if not variables:
        return []
    usual = [f"{variable['name']}: {_shown(variable.get('missing', DASH))}" for variable in variables]
    return [f"A missing clinical value counts as the training patients' usual one ({'; '.join(usual)})."]


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _size(spacing: Any) -> str:
    return f"{' × '.join(f'{float(mm):g}' for mm in spacing)} mm{' (0 keeps the axis)' if 0 in spacing else ''}"
