import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from FeatureExtractorLib.errors import InputError
from TumorClassifierLib.age_groups import age_statistics
from TumorClassifierLib.evaluation.readers import Answers, readers_table
from TumorClassifierLib.fusion import (
    ABLATIONS,
    PUBLISHED,
    Evidence,
    ablated,
    fuse,
    majority,
    search_weights,
    vote,
    weight_grid,
)

SHARES = np.array([0.5, 0.5])
NONE = (np.nan, np.nan)


def evidence(*rows: tuple) -> Evidence:
    """Rows of (patient, sequence, D, M, A), each term the probability of malignancy; None where there is none."""

    def term(i: int) -> np.ndarray:
        return np.array([NONE if row[i] is None else (1 - row[i], row[i]) for row in rows], dtype=np.float64)

    return Evidence(np.array([r[0] for r in rows]), np.array([r[1] for r in rows]), term(2), term(3), term(4))


# A patient of two sequences, worked through by hand with the published weights.
HAND = (
    ("p", "T1", 0.2, 0.7, 0.4),  # 0.090 + 0.315 + 0.04 = 0.445, benign
    ("p", "T1", 0.4, 0.7, 0.4),  # 0.180 + 0.315 + 0.04 = 0.535, malignant
    ("p", "T1", 0.6, 0.7, 0.4),  # 0.270 + 0.315 + 0.04 = 0.625, malignant
    ("p", "T2", 0.5, 0.1, 0.4),  # 0.225 + 0.045 + 0.04 = 0.310, benign
    ("p", "T2", 0.9, 0.1, 0.4),  # 0.405 + 0.045 + 0.04 = 0.490, benign
)


def test_the_hand_worked_patient() -> None:
    whole = evidence(*HAND)
    np.testing.assert_allclose(fuse(whole, PUBLISHED, SHARES)[:, 1], [0.445, 0.535, 0.625, 0.31, 0.49], atol=1e-12)
    votes = vote(whole, PUBLISHED, SHARES)
    assert votes.sequences == {("p", "T1"): 1, ("p", "T2"): 0}
    assert votes.ballots.tolist() == [[1, 1]]
    assert votes.called.tolist() == [0]  # one sequence each: benign has the larger mean, 0.5325 to 0.4675
    np.testing.assert_allclose(votes.probabilities, [[0.5325, 0.4675]], atol=1e-12)
    assert votes.partial == {}


@pytest.mark.parametrize(
    ("name", "called", "malignant"),
    [  # by hand: means over sequences of the means over images
        ("Det", 1, (0.4 + 0.7) / 2),
        ("Det-Age", 1, (0.45 * 0.55 + 0.1 * 0.4) / 0.55),
        ("Seq", 0, 0.4),
        ("Seq-Age", 0, 0.4),
        ("Det-Seq", 0, (0.55 + 0.4) / 2),
        ("Det-Seq-Age", 0, 0.4675),
    ],
)
def test_ablations_of_table_3(name: str, called: int, malignant: float) -> None:
    votes = vote(evidence(*HAND), ablated(PUBLISHED, name), SHARES)
    assert votes.called.tolist() == [called]
    assert votes.probabilities[0, 1] == pytest.approx(malignant, abs=1e-12)


def test_the_ablations_are_those_of_the_publication() -> None:
    assert list(ABLATIONS) == ["Det", "Det-Age", "Seq", "Seq-Age", "Det-Seq", "Det-Seq-Age"]
    assert ablated(PUBLISHED, "Det-Age") == (0.45, 0.0, 0.1)  # the publication's own example
    assert ablated(PUBLISHED, "Det") == (0.45, 0.0, 0.0)
    with pytest.raises(InputError, match="no way of fusing called 'Age'; choose one of Det, Det-Age"):
        ablated(PUBLISHED, "Age")


def test_ties_go_to_the_larger_mean_then_to_the_later_class() -> None:
    groups = np.zeros(2, dtype=np.int64)
    even = np.array([[0.6, 0.4], [0.3, 0.7]])
    assert majority(np.array([0, 1]), even, groups)[0].tolist() == [1]
    equal = np.array([[0.7, 0.3], [0.3, 0.7]])
    assert majority(np.array([0, 1]), equal, groups)[0].tolist() == [1]
    three = np.array([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    called, _, ballots = majority(np.array([0, 2]), three, groups)
    assert called.tolist() == [2]  # the class nobody voted for does not win by its mean
    assert ballots.tolist() == [[1, 0, 1]]


def test_a_majority_beats_a_larger_mean() -> None:
    P = np.array([[0.49, 0.51], [0.49, 0.51], [0.99, 0.01]])
    called, mean, _ = majority(np.array([1, 1, 0]), P, np.zeros(3, dtype=np.int64))
    assert called.tolist() == [1]
    assert mean[0, 0] > 0.5


def test_images_without_a_box_do_not_vote_and_a_missing_sequence_takes_no_part() -> None:
    silent = [("p", "T1", None, 0.7, 0.4), ("p", "FLAIR", None, None, 0.4)]
    with_silent, without = vote(evidence(*HAND, *silent), PUBLISHED, SHARES), vote(evidence(*HAND), PUBLISHED, SHARES)
    np.testing.assert_array_equal(with_silent.probabilities, without.probabilities)
    np.testing.assert_array_equal(with_silent.ballots, without.ballots)
    assert with_silent.partial == {"p": ("no box was found in FLAIR, which did not vote",)}


def test_terms_that_are_missing_leave_the_others_their_share() -> None:
    rows = evidence(("a", "T1", 0.2, None, 0.4), ("b", "T1", 0.2, 0.8, None), ("c", "T1", None, None, None))
    P = fuse(rows, PUBLISHED, np.array([0.3, 0.7]))[:, 1]
    np.testing.assert_allclose(P, [(0.45 * 0.2 + 0.1 * 0.4) / 0.55, 0.5, 0.7], atol=1e-12)
    told = vote(rows, PUBLISHED, np.array([0.3, 0.7])).partial
    assert told["a"] == ("a sequence was not classified; the other terms decide",)
    assert told["b"] == ("the age is not known; the other terms decide",)
    assert [text.split(";")[0] for text in told["c"]] == ["no box was found in any image", "the age is not known"]
    assert "b" not in vote(rows, ablated(PUBLISHED, "Det"), SHARES).partial  # whose age does not count there


def test_without_any_box_the_age_decides() -> None:
    votes = vote(evidence(("p", "T1", None, None, 0.9), ("p", "T1", None, None, 0.9)), PUBLISHED, SHARES)
    np.testing.assert_allclose(votes.probabilities, [[0.1, 0.9]])
    assert votes.called.tolist() == [1]


@pytest.mark.parametrize("weights", [(0, 0, 0), (0.5, 0.6, -0.1), (1, 0), (np.nan, 0.5, 0.5), (np.inf, 0, 0)])
def test_weights_that_cannot_be(weights: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="weights cannot be"):
        fuse(evidence(*HAND), weights, SHARES)


def test_evidence_that_does_not_add_up_is_refused() -> None:
    good = evidence(*HAND)
    with pytest.raises(InputError, match="detection probabilities of an image do not add up to 1"):
        dataclasses.replace(good, detection=good.detection * 2)
    with pytest.raises(InputError, match="as many rows"):
        dataclasses.replace(good, detection=good.detection[1:])


probability = st.floats(0, 1, width=32)
rows_of_images = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(["T1", "T2"]),
        st.none() | probability,
        st.none() | probability,
        st.none() | probability,
    ),
    min_size=1,
    max_size=25,
)


@given(rows_of_images, st.tuples(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1)), st.randoms())
def test_votes_are_shares_whatever_is_missing_and_in_whatever_order(rows, weights, random) -> None:
    votes = vote(evidence(*rows), weights, SHARES)
    np.testing.assert_allclose(votes.probabilities.sum(axis=1), 1, atol=1e-9)
    assert np.all(votes.probabilities >= 0)
    # The reference: counted one by one.
    for i, patient in enumerate(votes.patients):
        sequences = [k for (name, _), k in votes.sequences.items() if name == patient]
        assert votes.ballots[i].tolist() == [sequences.count(0), sequences.count(1)]
        if sequences.count(0) != sequences.count(1):
            assert votes.called[i] == int(sequences.count(1) > sequences.count(0))
    mixed = list(rows)
    random.shuffle(mixed)
    again = vote(evidence(*mixed), weights, SHARES)
    assert again.called.tolist() == votes.called.tolist()
    np.testing.assert_allclose(again.probabilities, votes.probabilities, atol=1e-12)


@given(rows_of_images, st.floats(0.1, 50))
def test_only_the_ratio_of_the_weights_counts(rows, factor) -> None:
    one, other = (vote(evidence(*rows), [w * f for w in PUBLISHED], SHARES) for f in (1.0, factor))
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-9)


def test_the_grid_is_whole_and_has_the_published_weights() -> None:
    grid = weight_grid(0.05)
    assert len(grid) == len(set(grid)) == 19 * 18 // 2
    np.testing.assert_allclose(np.sum(grid, axis=1), 1)
    assert min(map(min, grid)) == pytest.approx(0.05)
    assert any(np.allclose(point, PUBLISHED) for point in grid)
    for step in (0.0, -0.1, 0.5, 0.3):
        with pytest.raises(InputError, match="step of the weights cannot be"):
            weight_grid(step)


def cohort(seed: int, good: int, n: int = 30) -> tuple[Evidence, np.ndarray]:
    """Patients of one image, of whom one term tells the class and the others tell nothing."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    terms = [np.where(y == 1, 0.8, 0.2) if i == good else rng.random(n) for i in range(3)]
    found = evidence(*((f"p{i:02}", "T1", *(term[i] for term in terms)) for i in range(n)))
    return found, y


@pytest.mark.parametrize("good", range(3))
def test_the_search_finds_the_term_that_tells(good: int) -> None:
    found, y = cohort(0, good)
    search = search_weights(found, y, SHARES, 0.1)
    assert int(np.argmax(search.weights)) == good
    assert len(search.points) == 36
    best = max(point.balanced_accuracy for point in search.points)
    assert best == 1.0  # at the chosen point, seen here the long way round
    assert (vote(found, search.weights, SHARES).called == y).all()
    losses = [point.log_loss for point in search.points if point.balanced_accuracy == best]
    chosen = next(point for point in search.points if point.weights == search.weights)
    assert chosen.log_loss == min(losses)


def test_where_no_weights_are_better_the_most_equal_are_taken() -> None:
    same = [(name, "T1", p, p, p) for name, p in (("a", 0.2), ("b", 0.9))]
    assert search_weights(evidence(*same), np.array([0, 1]), SHARES, 0.2).weights == pytest.approx((0.2, 0.4, 0.4))
    assert search_weights(evidence(*same), np.array([0, 1]), SHARES, 1 / 3).weights == pytest.approx((1 / 3,) * 3)
    with pytest.raises(InputError, match="all of one class"):
        search_weights(evidence(*same), np.array([1, 1]), SHARES)


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.float64, (30, 3), elements=st.floats(0, 1)), st.integers(0, 2))
def test_the_search_never_sees_test_cases(noise: np.ndarray, good: int) -> None:
    """Other test patients, whatever they are like, leave every point of the search as it was."""
    validation, y = cohort(1, good)
    test = [(f"test{i}", "T2", *row) for i, row in enumerate(noise)]
    joined = Evidence(
        *(
            np.concatenate([getattr(validation, f.name), getattr(evidence(*test), f.name)])
            for f in dataclasses.fields(Evidence)
        )
    )
    chosen = np.arange(len(joined.patients)) < len(y)
    assert search_weights(joined.of(chosen), y, SHARES, 0.2) == search_weights(validation, y, SHARES, 0.2)


def test_ages_by_hand() -> None:
    ages = np.array([15.0, 25.0, 29.9, 30.0, 85.0, 85.0, np.nan])
    y = np.array([0, 0, 1, 1, 1, 1, 0])
    found = age_statistics(ages, y, 2, edges=(20, 30, 40, 80), pseudo_count=0.0)
    assert found.counts == ((1, 0), (1, 1), (0, 1), (0, 0), (0, 2))
    assert found.labels() == ("below 20", "20 to below 30", "30 to below 40", "40 to below 80", "80 and above")
    np.testing.assert_allclose(found.probability(np.array([20.0, 30.0, 50.0])), [[0.5, 0.5], [0, 1], [1 / 3, 2 / 3]])
    assert np.isnan(found.probability(np.array([np.nan]))).all()
    smoothed = dataclasses.replace(found, pseudo_count=3.0)
    # (n + 3 · share) / (all + 3), where two of the six patients of known age are benign.
    np.testing.assert_allclose(smoothed.table[:, 0], [2 / 4, 2 / 5, 1 / 4, 1 / 3, 1 / 5])


@given(
    st.lists(st.tuples(st.floats(0, 130), st.integers(0, 2)), min_size=1, max_size=40),
    st.floats(0, 100),
    st.lists(st.floats(0.5, 129), min_size=1, max_size=6, unique=True),
)
def test_age_probabilities_are_shares(patients, pseudo_count, edges) -> None:
    ages, y = np.array([p[0] for p in patients] + [50.0] * 3), np.array([p[1] for p in patients] + [0, 1, 2])
    table = age_statistics(ages, y, 3, sorted(edges), pseudo_count).table
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-9)
    assert np.all((table >= 0) & (table <= 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"edges": (30, 20)}, "cannot be cut at"),
        ({"edges": ()}, "cannot be cut at"),
        ({"pseudo_count": -1}, "pseudo-count"),
        ({"ages": np.array([-1.0, 50])}, "-1 is no age"),
        ({"ages": np.array([150.0, 50])}, "150 is no age"),
        ({"ages": np.array([np.nan, 50])}, "Class 0 has no patient of known age"),
        ({"ages": np.array([50.0])}, "1 ages for 2 patients"),
    ],
)
def test_ages_that_cannot_be(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        age_statistics(**{"ages": np.array([20.0, 50]), "y": np.array([0, 1]), "n_classes": 2, **arguments})


TRUTH = {"1": "benign", "2": "benign", "3": "malignant", "4": "malignant"}
CLASSES = ("benign", "malignant")
HEADER = "reader,given,patient_id,answer,seconds\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "readers.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_readers_and_models_in_one_table(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER
        + "D1,MRI,1,benign,30\nD1,MRI,2,malignant,40\nD1,MRI,3,malignant,50\nD1,MRI,4,malignant,\n"
        + "D1,MRI and age,1,benign,\nD2,,3,benign,12.5\n",
    )
    model = Answers("Det-Seq-Age", dict(TRUTH), (0.7, 0.8))
    first, aged, second, last = readers_table(path, TRUTH, CLASSES, [model])
    assert (first["name"], first["patients"], first["missing"], first["seconds"]) == ("D1 (MRI)", 4, 0, 40.0)
    assert [first[name]["value"] for name in ("accuracy", "sensitivity", "specificity")] == [0.75, 1.0, 0.5]
    assert first["accuracy"]["low"] < 0.75 < first["accuracy"]["high"]
    assert (aged["name"], aged["sensitivity"], aged["seconds"]) == ("D1 (MRI and age)", None, None)
    assert (second["name"], second["missing"], second["seconds"]) == ("D2", 3, 12.5)
    assert (last["name"], last["seconds"], last["accuracy"]["value"]) == ("Det-Seq-Age", 0.75, 1.0)


def test_the_published_table_from_its_counts(tmp_path: Path) -> None:
    """D1 saw 90 benign and 50 malignant patients: 72 and 33 right are the printed 0.750, 0.660 and 0.800."""
    truth = {f"{i}": "benign" if i < 90 else "malignant" for i in range(140)}
    wrong = {*range(18), *range(90, 107)}
    path = tmp_path / "readers.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["reader", "patient_id", "answer"])
        for i in range(140):
            right = truth[f"{i}"]
            rows.writerow(["D1", i, right if i not in wrong else CLASSES[1 - CLASSES.index(right)]])
    (row,) = readers_table(path, truth, CLASSES)
    assert [round(row[name]["value"], 3) for name in ("accuracy", "sensitivity", "specificity")] == [0.75, 0.66, 0.8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reader,patient_id\nD1,1\n", "no column answer; it needs reader, patient_id, answer"),
        (HEADER, "has no answers"),
        (HEADER + "D1,,1,unsure,1\n", "row 2 answers 'unsure'; write benign or malignant"),
        (HEADER + "D1,,9,benign,1\n", "row 2 is about patient '9', who is not in the cohort"),
        (HEADER + "D1,,1,benign,1\nD1,,1,benign,1\n", "row 3 is a second answer of D1 about patient 1"),
        (HEADER + "D1,,1,benign,-1\n", "row 2 has '-1' seconds"),
        (HEADER + "D1,,1,benign,soon\n", "row 2 has 'soon' seconds"),
        (HEADER + "D1,,1,benign,nan\n", "row 2 has 'nan' seconds"),
        (HEADER + "D1,,1\n", "row 2 does not have as many cells"),
        (HEADER + ",,1,benign,1\n", "row 2 names no reader"),
    ],
)
def test_answers_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        readers_table(written(tmp_path, text), TRUTH, CLASSES)


def test_readers_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do not exist"):
        readers_table(tmp_path / "none.csv", TRUTH, CLASSES)
    (tmp_path / "readers.csv").write_bytes(b"reader,patient_id,answer\n\xff\xfe,1,benign\n")
    with pytest.raises(InputError, match="no CSV file in UTF-8"):
        readers_table(tmp_path / "readers.csv", TRUTH, CLASSES)
    with pytest.raises(InputError, match="A patient is 'grade 3'"):
        readers_table(written(tmp_path, HEADER), {"1": "grade 3"}, CLASSES)
