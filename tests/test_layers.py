"""Imports run one way, and TensorFlow stays behind its wall: read off the source itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "tastemaker"

ORDER = [
    ["errors"],
    ["recipe", "progress"],
    ["slate"],
    ["pages"],
    ["data"],
    ["features"],
    ["hits"],
    ["model"],
    ["manifest", "door", "trace"],
    ["bundle"],
    ["retrieve"],
    ["rank"],
    ["rerank"],
    ["asked"],
    ["stages"],
    ["upkeep"],
    ["explain", "golden"],
    ["recommend"],
    ["lists"],
    ["evaluation"],
    ["card"],
    ["training"],
    ["tastemaker"],  # the public names
    ["registry"],
    ["serve"],
    ["client"],
    ["cli"],
    ["__main__"],
]
"""From the top of the path to its end; a part imports from those before it, and from itself."""

ALLOWED: dict[tuple[str, str], str] = {}
"""File and module that break the rule, with the reason."""


def files() -> list[str]:
    return sorted(str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py"))


def part_of(module: str) -> str:
    """`tastemaker.data.reading` → data; the package itself → tastemaker."""
    _, _, rest = module.partition(".")
    return rest.split(".")[0] or "tastemaker"


def imports(file: str) -> Iterator[str]:
    """Every module that a file imports, inside functions too; what only type checkers see is left out."""
    nodes: list[ast.AST] = [ast.parse((SOURCE / file).read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            module = str(node.module)
            if module == "tastemaker":  # from tastemaker import data
                yield from (f"tastemaker.{name.name}" for name in node.names)
            else:
                yield module
        nodes += ast.iter_child_nodes(node)


def place(part: str) -> int:
    (found,) = (number for number, parts in enumerate(ORDER) if part in parts)
    return found


@pytest.mark.parametrize("file", files())
def test_imports_run_one_way(file):
    own = (
        "tastemaker"
        if file == "__init__.py"
        else part_of(f"tastemaker.{file.removesuffix('.py').replace('/', '.')}")
    )
    for module in imports(file):
        if module.partition(".")[0] == "tastemaker" and (file, module) not in ALLOWED:
            part = part_of(module)
            assert part == own or place(part) < place(own), f"{file} imports {module}"


@pytest.mark.parametrize("file", [file for file in files() if not file.startswith("model/")])
def test_nothing_but_the_model_imports_tensorflow(file):
    found = {module.partition(".")[0] for module in imports(file)} & {"tensorflow", "keras", "tf_keras"}
    assert not found


def test_every_part_has_a_place():
    parts = {file.split("/")[0].removesuffix(".py") for file in files()} - {"__init__"}
    assert parts == {part for row in ORDER for part in row} - {"tastemaker"}


def test_the_reader_of_imports_sees_lazy_ones_and_not_those_for_types():
    assert "tastemaker.model.learn" in set(imports("training/fitted.py"))
    assert "tastemaker.recommend" not in set(imports("explain.py"))
