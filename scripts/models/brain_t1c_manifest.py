"""Make the manifest that the shipped models are trained from.

    python scripts/models/brain_t1c_manifest.py DATA/brain_t1c_slices manifest.csv meningioma glioma pituitary

The data set (Cheng 2017, figshare 1512427) has one to 97 slices a patient. All are taken, or with `--at-most N` no
more than N of each patient, spread evenly over the half with the largest tumour areas. Every fifth patient of a class,
in the order of a hash of the patient's number, is held back: cohort `test`, which training never sees.
"""

import argparse
import csv
import hashlib
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk

HELD_BACK = 5  # one patient in so many


def main() -> None:
    """Write the manifest named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("classes", nargs="+")
    parser.add_argument("--at-most", type=int, metavar="N", help="slices a patient; all of them where it is left out")
    arguments = parser.parse_args()
    with open(arguments.data / "slices.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["class"] in arguments.classes]
    with open(arguments.out, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "patient_id", "image_T1C", "mask", "label", "cohort"])
        held_back = patients_held_back(rows)
        for row in chosen(rows, arguments.data, arguments.at_most) if arguments.at_most else rows:
            files = (os.path.relpath(arguments.data / row[name], arguments.out.parent) for name in ("image", "mask"))
            cohort = "test" if row["patient"] in held_back else "train"
            writer.writerow([row["slice"], row["patient"], *files, row["class"], cohort])


def patients_held_back(rows: list[dict[str, str]]) -> set[str]:
    """Every fifth patient of each class; which ones depends on the patients' numbers alone."""
    held_back = set()
    for label in {row["class"] for row in rows}:
        patients = {row["patient"] for row in rows if row["class"] == label}
        held_back |= set(sorted(patients, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[::HELD_BACK])
    return held_back


def chosen(rows: list[dict[str, str]], data: Path, most: int) -> list[dict[str, str]]:
    """At most `most` slices of each patient, in the data set's order."""
    slices = defaultdict(list)
    for row in rows:
        area = int(np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(data / row["mask"])))))
        slices[row["patient"]].append((-area, int(row["slice"]), row))
    kept = []
    for of_patient in slices.values():
        of_patient.sort(key=lambda item: item[:2])
        largest = of_patient[: max(most, (len(of_patient) + 1) // 2)]
        places = np.linspace(0, len(largest) - 1, min(most, len(largest))).round().astype(int)
        kept += [largest[i][2] for i in places]
    return sorted(kept, key=lambda row: int(row["slice"]))


if __name__ == "__main__":
    main()
