"""Which modules a source file imports, read from its text without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Import:
    """One imported module or name, in full: "numpy", "FeatureExtractorLib.errors.InputError".

    eager: runs when the file is imported, that is outside functions and outside `if TYPE_CHECKING`.
    """

    name: str
    line: int
    eager: bool


def module_name(path: Path, folder: Path) -> str:
    """The dotted name of a source file below `folder`, which is on the module path."""
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path, folder: Path) -> list[Import]:
    """Every import of a file at any depth, relative ones resolved."""
    package = module_name(path, folder).split(".")
    if path.name != "__init__.py":
        package.pop()
    return list(_walk(ast.parse(path.read_text(encoding="utf-8")), package, eager=True))


def _walk(node: ast.AST, package: list[str], eager: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, eager) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) + 1 - node.level] if node.level else []
        module = [*base, *filter(None, [node.module])]
        yield from (Import(".".join([*module, alias.name]), node.lineno, eager) for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for child in node.body:
            yield from _walk(child, package, eager=False)
        for child in node.orelse:
            yield from _walk(child, package, eager)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, package, eager and not isinstance(node, FUNCTIONS))
