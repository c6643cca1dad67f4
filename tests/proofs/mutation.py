"""
Every small wrong change of one module: comparisons, arithmetic, numbers, conditions, statements, returns.

A thin mutator of our own on `ast`. mutmut 3 was tried: it needs a click that the lock excludes, leaves decorated functions (our properties)
alone and draws no sample; cosmic-ray removes no statement and brings a database along. Texts, annotations, decorators, assertions and
docstrings stay: no decision comes from them.
"""

import ast
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """
    One change: bytes `start` to `end` of the file become `text`. `before` and `after`: the whole lines that it changes, as one.

    `first` to `last`: the lines that run it, counted from 1.
    """

    path: str
    line: int
    what: str
    before: str
    after: str
    first: int
    last: int
    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        raw = source.encode()
        head, tail = _around(raw, self.start, self.end)
        assert _flat(raw[head:tail]) == self.before, f"{self.path} is not what this change was made for"
        return (raw[: self.start] + self.text.encode() + raw[self.end :]).decode()

    def __str__(self) -> str:
        return f"{self.path.removeprefix('streams/')}:{self.line} {self.what} @{self.start}-{self.end}"


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All of one file, from its first line to its last."""
    found = {(one.start, one.end, one.text): one for one in _Finder(path, source).found()}
    return sorted(found.values(), key=lambda one: (one.start, one.end, one.what, one.text))


class _Finder:
    def __init__(self, path: str, source: str) -> None:
        self._path, self._source, self._tree = path, source, ast.parse(source)
        raw = source.encode().split(b"\n")
        self._starts = [0]
        for line in raw:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def found(self) -> Iterator[Mutant]:
        yield from self._block(self._tree.body)

    def _block(self, body: list[ast.stmt]) -> Iterator[Mutant]:
        for statement in body:
            yield from self._statement(statement)

    def _statement(self, statement: ast.stmt) -> Iterator[Mutant]:
        match statement:
            case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Expr(value=ast.Constant()):
                return
        for what, node, new in self._replacements(statement):
            yield self._mutant(statement, what, node, new)
        for name in ("body", "orelse", "finalbody"):
            yield from self._block(getattr(statement, name, []))
        for inner in [*getattr(statement, "handlers", []), *getattr(statement, "cases", [])]:
            yield from self._block(inner.body)

    def _replacements(self, statement: ast.stmt) -> Iterator[tuple[str, ast.AST, str]]:
        """What is wrong, where, and the text that takes its place."""
        match statement:
            case ast.Expr(value=ast.Call()) | ast.Raise() | ast.AugAssign() | ast.Continue() | ast.Break():
                yield "removed", statement, "pass"
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
                yield "removed", statement, "pass"
            case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value in {None, False}):
                yield "returns None", statement, "return None"
            case ast.If(test=test) | ast.While(test=test):
                yield "negated", test, f"not ({ast.unparse(test)})"
        if isinstance(statement, ast.AugAssign) and type(statement.op) in ARITHMETIC:
            changed = ast.AugAssign(statement.target, ARITHMETIC[type(statement.op)](), statement.value)
            yield "other operator", statement, ast.unparse(changed)
        for node in self._expressions(statement):
            for what, new in _changes(node):
                yield what, node, new

    def _expressions(self, statement: ast.stmt) -> Iterator[ast.expr]:
        """Those that this statement itself evaluates: none of the statements in its body, no annotation, no decorator."""
        passed_over = {"annotation", "returns", "decorator_list", "body", "orelse", "finalbody", "handlers", "keywords", "bases", "pattern"}
        if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            passed_over -= {"keywords"}

        def walk(node: ast.AST) -> Iterator[ast.expr]:
            if isinstance(node, ast.JoinedStr):
                return
            if isinstance(node, ast.expr):
                yield node
            leave = passed_over if not isinstance(node, ast.expr) else set()
            for name, value in ast.iter_fields(node):
                if name not in leave:
                    for child in value if isinstance(value, list) else [value]:
                        if isinstance(child, ast.AST):
                            yield from walk(child)

        yield from walk(statement)

    def _mutant(self, statement: ast.stmt, what: str, node: ast.AST, new: str) -> Mutant:
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        raw = self._source.encode()
        text = f"({new})" if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Name) else new
        body = getattr(statement, "body", None) or getattr(statement, "cases", None)
        first_inside = getattr(body[0], "lineno", None) or body[0].body[0].lineno if body else 0
        last = max(first_inside - 1, statement.lineno) if body else statement.end_lineno or statement.lineno
        head, tail = _around(raw, start, end)
        return Mutant(
            path=self._path, line=node.lineno, what=what, before=_flat(raw[head:tail]),
            after=_flat(raw[head:start] + text.encode() + raw[end:tail]),
            first=statement.lineno, last=last, start=start, end=end, text=text,
        )  # fmt: skip


def _around(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """The whole lines that hold those bytes."""
    tail = raw.find(b"\n", end)
    return raw.rfind(b"\n", 0, start) + 1, tail if tail >= 0 else len(raw)


def _flat(code: bytes) -> str:
    return " ".join(code.decode().split())


def _changes(node: ast.expr) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for number, operator in enumerate(ops):
                changed = [*ops]
                changed[number] = COMPARISONS[type(operator)]()
                swap = f"{type(changed[number]).__name__} for {type(operator).__name__}"
                yield swap, ast.unparse(ast.Compare(left, changed, comparators))
        case ast.BoolOp(op=operator, values=values):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "and for or", ast.unparse(ast.BoolOp(other, values))
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in ARITHMETIC and not (_is_text(left) or _is_text(right)):
            yield "other operator", ast.unparse(ast.BinOp(left, ARITHMETIC[type(operator)](), right))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield "sign removed", ast.unparse(operand)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield "negated", ast.unparse(ast.IfExp(test, orelse, body))
        case ast.Name(id=name) if name in CALLS:
            yield "other function", CALLS[name]
        case ast.Constant(value=bool() as value):
            yield "other truth", str(not value)
        case ast.Constant(value=int() as value):
            yield "one more", str(value + 1)
            yield "one less", str(value - 1)
        case ast.Call(func=ast.Name(id="Decimal"), args=[ast.Constant(value=str() as text)]) if _is_number(text):
            yield "one more", f"Decimal({str(Decimal(text) + 1)!r})"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False
