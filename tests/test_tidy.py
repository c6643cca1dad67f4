"""Small rooms: files and functions keep to their size, and every module says what it is for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILE_LINES_MAX = 320
CATALOGUES = {"records.py"}  # one struct after another: splitting it would only hide half
FUNCTION_LINES_MAX = 60
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc"}


def sources() -> list[Path]:
    return sorted([*ROOT.glob("streams/**/*.py"), *ROOT.glob("schemas/*.py")])


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module opens with its docstring"
    assert path.name in CATALOGUES or text.count("\n") <= FILE_LINES_MAX
    assert path.stem not in FORBIDDEN_NAMES
    long = [one.name for one in functions(tree) if (one.end_lineno or 0) - one.lineno + 1 > FUNCTION_LINES_MAX]
    assert not long, f"functions over {FUNCTION_LINES_MAX} lines: {long}"
