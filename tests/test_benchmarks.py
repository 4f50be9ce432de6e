"""What benchmarks import is there: read off the sources, since running them takes hours."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "benchmarks").rglob("*.py"))


def names_of(module: str) -> set[str] | None:
    """What a module of ours, or of the benchmarks, has at its top; None for another's."""
    if module.partition(".")[0] not in ("tastemaker", "benchmarks"):
        return None
    path = (ROOT / "src" if module.startswith("tastemaker") else ROOT) / module.replace(".", "/")
    folder = path.is_dir()
    file = path / "__init__.py" if folder else path.with_suffix(".py")
    assert file.is_file(), f"there is no {module}"
    found = {each.name.removesuffix(".py") for each in path.iterdir()} if folder else set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found


def path_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=path_of)
def test_what_a_benchmark_imports_is_there(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = names_of(str(node.module))
            missing = set() if names is None else {alias.name for alias in node.names} - names
            assert not missing, f"{node.module} has no {', '.join(missing)}"


def test_a_name_that_is_gone_is_noticed():
    names = names_of("tastemaker.data.split")
    assert names is not None
    assert "Fold" in names
    assert "choose" not in names
