"""Which modules a stage's code reaches, read from the source without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tomas.kernel.tables import KINDS, PARTS

ROOT = Path(__file__).parents[2]
NO_INFLUENCE = {"tomas.tracking": "*", "tomas.kernel.checks": "tomas.runtime.stage"}
"""What only records, or only refuses parameters: for who imports it so, an edit there changes no output."""


def reached(module: str) -> set[str]:
    """The tomas modules that a module imports, directly or through others, anywhere in their code."""
    seen: set[str] = set()
    left = [module]
    while left:
        user = left.pop()
        for name in imported(user) - seen:
            if not any(name.startswith(part) and by in ("*", user) for part, by in NO_INFLUENCE.items()):
                seen.add(name)
                left.append(name)
    return seen


def imported(module: str) -> set[str]:
    """The tomas modules named by one module's imports, and by the kinds of parts it loads."""
    tree = ast.parse(source(module).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call):
            found.update(_parts_loaded(node))
    modules = {name for name in found if name.split(".")[0] == "tomas" and name != "tomas" and source(name).exists()}
    parents = {name.rpartition(".")[0] for name in modules} - {"tomas"}
    return modules | parents


def source(module: str) -> Path:
    """The file of a module."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node outside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _walk(node)


def _parts_loaded(call: ast.Call) -> set[str]:
    """The modules of the parts that `registry.load(kind, name)` may give; a kind in a variable is any plug-in's."""
    registry_load = {"load", "registry.load", "default_registry.load"}
    if ast.unparse(call.func) not in registry_load or not call.args:
        return set()
    kind = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
    kinds = {kind} if kind else {name for name in KINDS if KINDS[name].hooks}
    return {part.factory.partition(":")[0] for part in PARTS if part.kind in kinds}
