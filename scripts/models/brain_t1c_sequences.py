"""Stack each patient's slices into one volume, so that recipes of sequences and volumes can be tried on them.

    python scripts/models/brain_t1c_sequences.py DATA/brain_t1c_slices FOLDER glioma meningioma pituitary --patients 10

The data set (Cheng 2017, figshare 1512427) has single slices. FOLDER gets an image and a mask a patient (NRRD) and
`manifest.csv`. Two things in them are made, for the data set does not tell them:

- the geometry. Slices lie one on another in the data set's order, 0.49 mm a pixel as they have and 6 mm apart as is
  usual, whichever views they are of. It is no anatomy, and nothing may be measured across slices;
- the age, in the column `age_made`: drawn by the patient's number alone, evenly from 20 to 80 years, without a look at
  the class. It shows that the age is used, and cannot help.

Patients with fewer than four slices are left out, for a volume has four or more. Every fifth of the rest of each class
is held back: cohort `test`.
"""

import argparse
import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from brain_t1c_manifest import chosen, patients_held_back

SPACING = (0.49, 0.49, 6.0)  # mm; the last is made
FEWEST_SLICES = 4
YOUNGEST, OLDEST = 20, 80


def main() -> None:
    """Write the volumes and the manifest into the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("classes", nargs="+")
    parser.add_argument("--patients", type=int, help="of each class, in the order of a hash; all where it is left out")
    parser.add_argument("--slices", type=int, default=8, help="of each patient at most, spread over the larger half")
    arguments = parser.parse_args()
    if arguments.slices < FEWEST_SLICES:
        parser.error(f"A volume has {FEWEST_SLICES} slices or more.")
    with open(arguments.data / "slices.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["class"] in arguments.classes]
    rows, left_out = of_some_patients(rows, arguments.patients)
    held_back = patients_held_back(rows)
    stacks = defaultdict(list)
    for row in chosen(rows, arguments.data, arguments.slices):
        stacks[row["patient"]].append(row)
    arguments.out.mkdir(parents=True, exist_ok=True)
    with open(arguments.out / "manifest.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "image_T1C", "mask", "label", "cohort", "age_made"])
        for patient, slices in stacks.items():
            for part in ("image", "mask"):
                volume = stacked([arguments.data / row[part] for row in slices])
                sitk.WriteImage(volume, str(arguments.out / f"{patient}_{part}.nrrd"), True)
            cohort = "test" if patient in held_back else "train"
            files = (f"{patient}_{part}.nrrd" for part in ("image", "mask"))
            writer.writerow([patient, *files, slices[0]["class"], cohort, made_age(patient)])
    print(f"{len(stacks)} patients; {left_out} with fewer than {FEWEST_SLICES} slices were left out; ages are made.")


def of_some_patients(rows: list[dict[str, str]], most: int | None) -> tuple[list[dict[str, str]], int]:
    """Rows of the first `most` patients of each class with slices enough, and how many had too few."""
    slices, class_of = defaultdict(int), {}
    for row in rows:
        slices[row["patient"]] += 1
        class_of[row["patient"]] = row["class"]
    kept = set()
    for label in sorted(set(class_of.values())):
        enough = [p for p in class_of if class_of[p] == label and slices[p] >= FEWEST_SLICES]
        kept |= set(sorted(enough, key=hashed)[:most])
    return [row for row in rows if row["patient"] in kept], sum(n < FEWEST_SLICES for n in slices.values())


def stacked(files: list[Path]) -> sitk.Image:
    """Slices one on another, 8 bits, with the made geometry."""
    volume = sitk.GetImageFromArray(np.stack([sitk.GetArrayFromImage(sitk.ReadImage(str(file))) for file in files]))
    volume.SetSpacing(SPACING)
    return volume


def made_age(patient: str) -> int:
    """Years, of the patient's number alone."""
    return YOUNGEST + int(hashed(patient), 16) % (OLDEST - YOUNGEST + 1)


def hashed(patient: str) -> str:
    """A number that has nothing to do with the class."""
    return hashlib.sha256(f"brain {patient}".encode()).hexdigest()


if __name__ == "__main__":
    main()
