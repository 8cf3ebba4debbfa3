"""What the panel decides without a window: first choices, names like patients', headers, numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from TumorClassifierLib.panel.image_choice import first_choices
from TumorClassifierLib.panel.patient_names import resembles_patient
from TumorClassifierLib.panel.step_header import LONGEST, shortened


@pytest.mark.parametrize(
    ("modalities", "names", "chosen"),
    [
        (["T1C"], ["anything"], {"T1C": 0}),
        (["T1C"], ["pre T1", "T1 post Gd", "T2"], {"T1C": 1}),
        (["T1C"], ["a", "b"], {"T1C": 0}),
        (["T1C"], [], {}),
        (["T1", "T1C"], ["case_t1ce", "case_t1"], {"T1": 1, "T1C": 0}),
        (["CT", "T1", "T2FS"], ["lipoma CT", "lipoma T2 FS"], {"CT": 0, "T2FS": 1}),
        (["FLAIR", "T2"], ["t2_flair", "t2"], {"FLAIR": 0, "T2": 1}),
        (["PET"], ["PET 60 min", "CT"], {"PET": 0}),
        (["T1", "T2"], ["a", "b"], {}),
    ],
)
def test_images_are_chosen_by_their_names(modalities: list[str], names: list[str], chosen: dict[str, int]) -> None:
    assert first_choices(modalities, names) == chosen


@given(st.lists(st.sampled_from(["T1", "T1C", "T2", "CT"]), unique=True), st.lists(st.text(max_size=8), max_size=6))
def test_no_image_is_chosen_twice(modalities: list[str], names: list[str]) -> None:
    chosen = first_choices(modalities, names)
    assert len(set(chosen.values())) == len(chosen)
    assert set(chosen) <= set(modalities)
    assert all(0 <= i < len(names) for i in chosen.values())


@pytest.mark.parametrize("name", ["DOE^JOHN", "Müller, Anna", "O'Neill, Sean 2019", "T1 doe axial", "scan 19620304"])
def test_names_of_patients_are_noticed(name: str) -> None:
    assert resembles_patient(name, ("DOE^JOHN", "P00017", "19620304"))


@pytest.mark.parametrize("name", ["brain1", "MRHead", "T1 post Gd, axial", "Case T1C", "Phantom outline", "3: t1_tse"])
def test_other_names_are_left_alone(name: str) -> None:
    assert not resembles_patient(name, ("DOE^JOHN", "P00017", "19620304"))


@given(st.text())
def test_states_fit_the_header(text: str) -> None:
    short = shortened(text)
    assert len(short) <= LONGEST
    assert short == text or (text.startswith(short.split("…")[0]) and len(text) > LONGEST)
