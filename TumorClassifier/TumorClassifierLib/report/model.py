"""The report's section on how the model was made: selection, signatures, clinical tables, regression, nomograms."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.figures_lasso import draw_lasso_path
from ..nomogram import Nomogram
from ..nomogram_figure import draw_nomogram
from .content import Block, Figure, Heading, Table, Text
from .evidence import Evidence
from .flow_figure import MOST_LANES, draw_flow
from .networks import network_blocks
from .numbers import capital, counted, fixed, listed, p_value, ratio, significant

MINUS = "\N{MINUS SIGN}"
STEPS = {
    "measured": "measured",
    "usable": "finite and varying",
    "stable": "stable between readers",
    "significant": "significant alone",
    "selected": "selected",
}


def model_section(e: Evidence) -> list[Block]:
    """Everything in the document "description"; a sentence where a model file has none."""
    heading = Heading("How the model was made")
    if not e.description:
        return [heading, Text("The model file does not describe its steps; train it again to have them here.")]
    blocks: list[Block] = [heading, *_flow(e)]
    for name in _named_classes(e):
        several = len(e.classes) > 2
        if several:
            blocks.append(Heading(capital(f"{name} against the rest"), 3))
        for signature in e.signatures:
            if signature["class"] == name:
                blocks += _signature(signature)
        blocks += [block for table in _of(e.description.get("clinical"), name) for block in _clinical(table)]
        nomogram = (e.description.get("nomograms") or {}).get(name)
        for table in _of(e.description.get("regressions"), name):
            blocks.append(_regression(table, nomogram is not None))
        if nomogram:
            blocks.append(_nomogram(nomogram, name))
    return [*blocks, *network_blocks(e)]


def step_name(step: str) -> str:
    """A step of the selection in words."""
    return STEPS.get(step, step.replace("_", " "))


def _named_classes(e: Evidence) -> list[str]:
    listed_by = [*(e.description.get("signatures") or ()), *(e.description.get("clinical") or ())]
    names = [str(item["class"]) for item in listed_by] + list(e.description.get("nomograms") or {})
    return list(dict.fromkeys(names))


def _of(tables: Sequence[Mapping[str, Any]] | None, name: str) -> list[Mapping[str, Any]]:
    return [table for table in tables or () if table["class"] == name]


def _flow(e: Evidence) -> list[Block]:
    flow = {
        str(block): _in_order(steps if e.agreement else _untested(steps))
        for block, steps in (e.description.get("flow") or {}).items()
    }
    if not flow:
        return []
    lines = [
        f"{block}: " + " → ".join(f"{count} {step_name(step)}" for step, count in steps.items())
        for block, steps in flow.items()
    ]
    lanes = {block: [(step_name(step), int(n)) for step, n in steps.items()] for block, steps in flow.items()}
    caption = f"Features left after each step. {'; '.join(lines)}."
    alt = "Chart of the selection steps"
    return [Figure(lambda path: draw_flow(lanes, path), caption, alt, width=0.25 * min(MOST_LANES, len(lanes)))]


def _untested(steps: Mapping[str, int]) -> dict[str, int]:
    """The steps without the agreement of readers: what passed it, untested, is what was usable."""
    return {"usable" if step == "stable" else step: n for step, n in steps.items()}


def _in_order(steps: Mapping[str, int]) -> dict[str, int]:
    """The steps as they were taken: each leaves as many features or fewer; a model file keeps no order."""
    known = list(STEPS)
    place = {step: known.index(step) if step in known else len(known) for step in steps}
    return dict(sorted(steps.items(), key=lambda item: (-item[1], place[item[0]])))


def _signature(signature: Mapping[str, Any]) -> list[Block]:
    terms = sorted(signature["terms"], key=lambda term: -abs(term["coefficient"]))
    rows = tuple(
        (
            str(term["feature"]),
            significant(term["coefficient"], 4),
            significant(term["mean"], 5),
            significant(term["scale"], 5),
        )
        for term in terms
    )
    equation = _spaced(" ".join(str(signature.get("formula") or "").split("\nwhere")[0].split()))
    name, label = signature["name"], signature["class"]
    blocks: list[Block] = [
        Table(
            ("Feature", "Coefficient", "Mean", "Standard deviation"),
            rows,
            caption=f"{name} of {label}: {counted(len(rows), 'feature')}, intercept "
            f"{significant(signature['intercept'], 5)}",
            note="z(feature) = (value − mean) / standard deviation, both of the training cases. The model file has "
            "every digit.",
            numeric=(1, 2, 3),
            code=(0,),
        )
    ]
    if equation:
        blocks.insert(0, Text(equation, "formula"))
    if signature.get("penalty"):
        blocks += _penalty(signature)
    return blocks


def _spaced(equation: str) -> str:
    """An equation with room around the signs of its terms, and a minus that is one."""
    first = equation.replace("= -", f"= {MINUS}")
    return re.sub(r" ([+-])(?=\d)", lambda sign: f" {sign[1].replace('-', MINUS)} ", first)


def _penalty(signature: Mapping[str, Any]) -> list[Block]:
    penalty, name = signature["penalty"], str(signature["name"])
    if len(penalty["alphas"]) < 2:
        return []
    names = [str(term["feature"]) for term in signature["terms"]]
    caption = (
        f"{name}: cross-validated error with the number of features above (left) and coefficients (right) over "
        "the LASSO's penalty. Dashed: the penalty chosen; dotted: the largest within one standard error of the least "
        "error."
    )
    return [Figure(lambda path: draw_lasso_path(penalty, path, names), caption, f"Penalty path of {name}")]


def _clinical(table: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for kind in ("univariate", "multivariate"):
        effects = table.get(kind) or ()
        if not effects:
            continue
        firth = any(effect.get("method") == "firth" for effect in effects)
        blocks.append(
            Table(
                ("Variable", "Odds ratio (95 % interval)", "p", "p of the variable"),
                tuple(
                    (
                        _column(effect),
                        ratio(effect.get("odds_ratio"), effect.get("low"), effect.get("high")),
                        p_value(effect["p"]),
                        p_value(effect["variable_p"]),
                    )
                    for effect in effects
                ),
                caption=f"Clinical variables for {table['class']}, {kind} logistic regression",
                note="Firth's penalised likelihood, because classes are separated." if firth else "",
                numeric=(2, 3),
            )
        )
    refused = table.get("refused") or ()
    if refused:
        told = listed([f"{item['variable']} ({item['reason'].rstrip('.')})" for item in refused])
        blocks.append(Text(f"Not tested: {told}.", "note"))
    return blocks


def _column(effect: Mapping[str, Any]) -> str:
    if effect.get("level"):
        against = f" against {effect['reference']}" if effect.get("reference") else ""
        return f"{effect['variable']}: {effect['level']}{against}"
    return str(effect["column"])


def _regression(table: Mapping[str, Any], of_nomogram: bool) -> Table:
    methods = {
        "ml": "maximum likelihood",
        "ml, cluster-robust": "maximum likelihood, standard errors robust to several images a patient",
        "firth": "Firth's penalised likelihood, because classes are separated",
    }
    note = f"Fitted by {methods.get(table['method'], table['method'])}."
    return Table(
        ("Term", "Coefficient", "Odds ratio (95 % interval)", "p"),
        tuple(
            (
                str(term["name"]),
                significant(term["coefficient"], 4),
                ratio(term["odds_ratio"], term["low"], term["high"]) if term["name"] != "intercept" else "",
                p_value(term["p"]),
            )
            for term in table["terms"]
        ),
        caption=f"Logistic regression behind the nomogram of {table['class']}"
        if of_nomogram
        else f"Logistic regression of the clinical variables for {table['class']}, which stands beside the network",
        note=f"{note} The scores are of cases that the scores' own models had not seen." if of_nomogram else note,
        numeric=(1, 3),
    )


def _nomogram(document: Mapping[str, Any], name: str) -> Block:
    nomogram = Nomogram.from_json(document)
    alone = f"Nomogram for {name}"
    caption = (
        f"{alone}: read a patient's points of each axis off the top scale; their sum gives the probability at the "
        f"bottom. Intercept {fixed(nomogram.intercept)}."
    )
    return Figure(lambda path: draw_nomogram(nomogram, path), caption, alone)
