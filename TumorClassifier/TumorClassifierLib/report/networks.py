"""What a report says of a model's networks: how training went, what they see, how terms were weighed."""

from collections.abc import Mapping
from typing import Any

from ..evaluation.figures_fusion import draw_weight_grid
from ..explain.embedding import draw_embedding
from ..networks.curves import draw_curves
from .content import Block, Figure, Heading, Table, Text
from .evidence import Evidence
from .numbers import DASH, capital, counted, fixed, listed, percent

SEEN = {"features": "what the network sees (its pooled features)", "factors": "the radiological factors"}


def network_blocks(e: Evidence) -> list[Block]:
    """Curves, agreement of readers, embeddings and the fusion, of recipes that have them."""
    return [*_curves(e), *_agreement(e), *_embeddings(e), *_fusion(e)]


def _curves(e: Evidence) -> list[Block]:
    curves = {str(name): epochs for name, epochs in (e.description.get("curves") or {}).items() if epochs}
    if not curves:
        return []
    figures = [_curve(name, epochs) for name, epochs in curves.items()]
    return [Heading("How the networks were trained", 3), *figures]


def _curve(name: str, epochs: list[Mapping[str, Any]]) -> Figure:
    last = epochs[-1]
    ends = [f"loss {fixed(last['loss'])}"]
    if last.get("accuracy") is not None:
        ends.append(f"accuracy {percent(last['accuracy'])}")
    if last.get("validation_loss") is not None:
        ends.append(f"validation loss {fixed(last['validation_loss'])}")
    if last.get("validation_accuracy") is not None:
        ends.append(f"validation accuracy {percent(last['validation_accuracy'])}")
    caption = f"{capital(name)}: {counted(len(epochs), 'epoch')}, at the end {listed(ends)}."
    return Figure(lambda path: draw_curves(epochs, path), caption, f"Training curves of {name}", 0.8)


def _agreement(e: Evidence) -> list[Block]:
    found = e.description.get("agreement")
    if not found:
        return []
    features, evidence = found["features"], found["evidence"]
    text = f"Agreement of two readers' outlines in {counted(int(found['cases']), 'case')}, {found['form']}: "
    text += (
        f"pooled features, median {fixed(features['median'], 2)} of {features['number']}, "
        f"{percent(features['share_good'], 0)} of them above {found['threshold']:g}"
        if features["number"]
        else "no pooled feature varies"
    )
    if evidence:
        value, low, high = (fixed(evidence[name], 2) for name in ("value", "low", "high"))
        text += f"; the network's evidence {value} ({low}–{high})"
    return [Text(f"{text}.")]


def _embeddings(e: Evidence) -> list[Block]:
    given = e.description.get("embeddings") or {}
    figures = tuple(
        Figure(
            lambda path, document=document: draw_embedding(document, path),  # type: ignore[misc]
            f"t-SNE of {SEEN.get(name, name)}: {counted(len(document['points']), 'case')}, perplexity "
            f"{fixed(document['perplexity'], 1)}; validation cases were not trained on. Distances between groups mean "
            "little.",
            f"t-SNE of {SEEN.get(name, name)}",
            0.9,
        )
        for name, document in given.items()
    )
    return [Heading("Where cases lie", 3), *figures] if figures else []


def _fusion(e: Evidence) -> list[Block]:
    fusion = e.description.get("fusion")
    if not fusion:
        return []
    weights = fusion["weights"]
    first, second, third = (fixed(weight, 2) for weight in weights)
    blocks: list[Block] = [
        Heading("How detector, sequence classifier and age were weighed", 3),
        Text(
            f"P = {first}·D + {second}·M + {third}·A: of the detector's best box, of the sequence classifier and of "
            f"the age. {fusion['choice']} {fusion['ties']}"
        ),
        Figure(
            lambda path: draw_weight_grid(fusion["points"], weights, path),
            f"All {len(fusion['points'])} weights that were tried, on patients that neither network nor the groups of "
            "age had seen; what λ1 and λ2 leave to 1 is λ3, the age's.",
            "Balanced accuracy over the weights of a fusion",
            0.6,
        ),
    ]
    if fusion.get("ablations"):
        blocks.append(_ablations(fusion["ablations"], e))
    if fusion.get("ages"):
        blocks.append(_ages(fusion["ages"], e))
    return blocks


def _ablations(rows: list[Mapping[str, Any]], e: Evidence) -> Table:
    sides = [f"{name} called right" for name in e.classes]
    if len(e.classes) == 2:
        sides = [f"Specificity ({e.classes[0]})", f"Sensitivity ({e.classes[1]})"]
    return Table(
        ("Terms", "λ1", "λ2", "λ3", "Accuracy", "Balanced accuracy", *sides),
        tuple(
            (
                str(row["name"]),
                *(fixed(weight, 2) if weight else DASH for weight in row["weights"]),
                fixed(row["accuracy"]),
                fixed(row["balanced_accuracy"]),
                *(fixed(share) for share in row["recalls"]),
            )
            for row in rows
        ),
        "Ways of fusing, by the votes of the patients that the weights were chosen on",
        "Det: detector, Seq: sequence classifier, Age: groups of age. The figures of cross-validation have each way "
        "judged on patients that chose nothing.",
        numeric=tuple(range(1, 6 + len(sides))),
    )


def _ages(ages: Mapping[str, Any], e: Evidence) -> Table:
    return Table(
        ("Years", *(f"{name}, patients" for name in e.classes), *(f"{name}, share" for name in e.classes)),
        tuple(
            (str(group), *map(str, counts), *(fixed(share) for share in shares))
            for group, counts, shares in zip(ages["groups"], ages["counts"], ages["probabilities"], strict=True)
        ),
        "Classes by age",
        "Shares are drawn towards those of all patients, so that a small group does not say more than it knows.",
        numeric=tuple(range(1, 1 + 2 * len(e.classes))),
    )
