"""The mutator makes the wrong changes it names, each a program that parses, and leaves alone what decides nothing."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.proofs.forking import changed_functions
from tests.proofs.mutants import Reached, all_mutants, excuses, sample
from tests.proofs.mutation import Mutant, mutants_of
from tests.proofs.tier import PROJECT_FOLDER


def changed(source: str) -> set[str]:
    return {mutant.applied(source) for mutant in mutants_of("demo.py", source)}


@pytest.mark.parametrize(("source", "wrong"), [
    ("x = a < b", {"x = (a <= b)"}),
    ("x = a <= b < c", {"x = (a < b < c)", "x = (a <= b <= c)"}),
    ("x = a is None", {"x = (a is not None)"}),
    ("x = a + b", {"x = (a - b)"}),
    ("x = a and not b", {"x = (a or not b)", "x = a and (b)"}),
    ("x = -a", {"x = (a)"}),
    ("x = 7", {"x = 8", "x = 6"}),
    ("x = True", {"x = False"}),
    ("x = Decimal('0.5')", {"x = (Decimal('1.5'))"}),
    ("x = min(a, b)", {"x = max(a, b)"}),
    ("x = a if b else c", {"x = (c if b else a)"}),
    ("if a:\n    b()", {"if not (a):\n    b()", "if a:\n    pass"}),
    ("x += a", {"pass", "x -= a"}),
    ("x.y = a", {"pass"}),
    ("def f():\n    return a", {"def f():\n    return None"}),
    ("def f():\n    raise E", {"def f():\n    pass"}),
])
def test_each_wrong_change_is_made_once(source: str, wrong: set[str]) -> None:
    assert changed(source) == wrong


@pytest.mark.parametrize("source", [
    '"""Text."""', "x: Literal[1]", "assert a < b", "@cache(1)\ndef f():\n    pass", "import a", 'x = f"{a + b}"', 'x = "a" + b',
    "def f():\n    return None", "def f():\n    return False",
])
def test_what_decides_nothing_is_left_alone(source: str) -> None:
    assert changed(source) <= {source.replace("False", "True")} - {source}


def test_place_is_counted_in_bytes_past_signs_of_several() -> None:
    assert changed('x = "−", 1') == {'x = "−", 2', 'x = "−", 0'}


def test_change_is_told_with_its_whole_line() -> None:
    [mutant] = mutants_of("demo.py", "y = 'z'\nx = f(a < b,\n      c)\n")
    assert (mutant.line, mutant.before, mutant.after) == (2, "x = f(a < b,", "x = f((a <= b),")


def test_change_made_for_other_code_is_refused() -> None:
    [mutant] = mutants_of("demo.py", "x = a < b")
    with pytest.raises(AssertionError, match=r"demo\.py is not what this change was made for"):
        mutant.applied("y = c > d")


def test_draw_of_a_seed_is_the_same_and_a_larger_one_goes_on_from_it() -> None:
    assert sample(1, 20) == sample(1, 40)[:20] != sample(2, 20)
    targets = {"risk", "execution", "perpetuals", "portfolio.py", "positions.py"}
    assert {mutant.path.split("/")[2] for mutant in all_mutants()} == targets


def test_every_mutant_parses() -> None:
    for mutant in sample(3, 200):
        ast.parse(mutant.applied((PROJECT_FOLDER / mutant.path).read_text()))


def test_every_excuse_has_its_reason_and_its_mutant() -> None:
    there = {(mutant.path, mutant.before, mutant.after) for mutant in all_mutants()}
    assert all(excuse in there and reason for excuse, reason in excuses().items())


def test_tests_of_the_same_name_come_first_then_the_quick_ones_and_import_time_asks_all_that_use_the_file() -> None:
    path = "streams/domain/risk/orders.py"
    reached = Reached({
        "seconds": {"t/test_b.py::slow": 9.0, "t/test_b.py::quick": 0.1, "t/test_order.py::own": 5.0, "t/test_c.py::other": 0.2},
        "files": {path: {"1": [""], "5": ["t/test_b.py::slow", "t/test_b.py::quick", "t/test_order.py::own"]}},
    })
    own = ["t/test_order.py::own", "t/test_b.py::quick", "t/test_b.py::slow"]
    assert list(reached.tests_of(at(path, 5))) == own
    assert list(reached.tests_of(at(path, 1))) == own
    assert reached.tests_of(at(path, 9)) == {}
    assert reached.tests_of(at(path, 5))[own[0]] == 5 + 4 * 5.0, "a test that takes longer than it ever does goes on for ever"


def at(path: str, line: int) -> Mutant:
    return Mutant(path, line, "one more", "1", "2", line, line, 0, 1, "2")


MODULE = """
LIMIT = 7
def limit(): return LIMIT + 1
class Rule:
    least: int = 3
    @property
    def most(self): return [one for one in (1, 2)][-1]
"""


def imported(folder: Path) -> tuple[str, ModuleType]:
    file = folder / "rule.py"
    file.write_text(MODULE)
    spec = importlib.util.spec_from_file_location("rule", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(file), module


@pytest.mark.parametrize(("right", "wrong", "limit", "most"), [("+ 1", "- 1", 6, 2), ("(1, 2)", "(1, 3)", 8, 3), ("[-1]", "[0]", 8, 1)])
def test_a_function_is_changed_in_memory_wherever_it_stands(tmp_path: Path, right: str, wrong: str, limit: int, most: int) -> None:
    path, module = imported(tmp_path)
    changes = changed_functions(path, MODULE, MODULE.replace(right, wrong))
    assert changes is not None
    [(function, code)] = changes
    function.__code__ = code
    assert (module.limit(), module.Rule().most) == (limit, most)


@pytest.mark.parametrize(("right", "wrong"), [("LIMIT = 7", "LIMIT = 8"), ("least: int = 3", "least: int = 4"), ("7", "True"), ("7", "7")])
def test_what_runs_at_import_is_not_changed_in_memory(tmp_path: Path, right: str, wrong: str) -> None:
    path, _ = imported(tmp_path)
    assert changed_functions(path, MODULE, MODULE.replace(right, wrong)) is None
