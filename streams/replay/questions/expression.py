"""
Conditions on what happens in a session: `reject.code == EXPOSURE`, `drawdown > 0.05`, `fill.price < 60000 and fill.symbol == BTCUSDT`.

A condition is written like Python's: and, or, not, comparisons, in, + - * /, abs(); nothing else is let through. `subject.field` asks the
record that just came to be (a signal, an order, a reject, a fill …); a bare name asks the account as it stands (drawdown, equity …).
Other words stand for themselves; numbers are exact decimals. What is not there (no fill in this moment, no price) makes what asks for
it neither true nor false, and a condition holds only where it is true. A reject's code is its code or the check that found it: EXPOSURE
is any of the four exposure limits.
"""

import ast
import difflib
import json
import operator
import types
from collections.abc import Callable, Mapping
from decimal import Decimal, DivisionByZero, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from streams.domain import records as r
from streams.domain.risk.codes import AlertCode, RejectionCode
from streams.errors import ConfigError

TEXT_LENGTH_MAX = 500

SUBJECTS: dict[str, type[r.Record]] = {
    "signal": r.Signal, "order": r.Order, "reject": r.Order, "result": r.OrderResult, "fill": r.OrderResult, "position": r.Position,
    "ledger": r.LedgerEntry, "alert": r.Alert, "portfolio": r.PortfolioSnapshot, "allocation": r.Allocation, "mark": r.Mark,
    "market": r.MarketData, "candle": r.Candle, "regime": r.Regime,
}  # fmt: skip
STANDING = r.PortfolioSnapshot
_ALIASES = {("reject", "code"): "rejection_code"}

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


class Scene(NamedTuple):
    """What a condition is asked about: the record that came to be under the subjects it has, and the account's standing."""

    subjects: Mapping[str, r.Record]
    standing: r.PortfolioSnapshot | None


class CheckedCode(str):
    """A rejection's code, equal to itself and to the check that found it."""

    __slots__ = ("check",)
    check: str


class _Part(NamedTuple):
    """A part of a condition: what kind of value it gives, and how; `words`: those it can be, None for any."""

    kind: str  # number, text, truth
    value: Callable[[Scene], Any]
    words: frozenset[str] | None = None
    literal: str | None = None


class Condition:
    """A condition that was understood. `subjects` and `asks_standing`: what it asks about."""

    def __init__(self, text: str) -> None:
        """Raises: ConfigError naming what is wrong with the text."""
        if len(text) > TEXT_LENGTH_MAX:
            raise ConfigError(f"UNTIL must be at most {TEXT_LENGTH_MAX} characters, was {len(text)}")
        self.text = text
        self.subjects: set[str] = set()
        self.asks_standing = False
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ConfigError(f"UNTIL must be a condition like 'drawdown > 0.05', was {text!r}: {error}") from error
        part = self._part(tree)
        if part.kind != "truth":
            raise ConfigError(f"UNTIL must be true or false, was a {part.kind}: {text!r}")
        self._value = part.value

    def holds(self, scene: Scene) -> bool:
        """Whether it is true of the scene; what it asks for and is not there makes it not."""
        try:
            return self._value(scene) is True
        except (DivisionByZero, InvalidOperation):
            return False

    def _part(self, node: ast.expr) -> _Part:
        match node:
            case ast.BoolOp(op=op, values=values):
                return self._joined(values, all_of=isinstance(op, ast.And))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._of_kind(operand, "truth").value
                return _Part("truth", lambda scene: _opposite(inner(scene)))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._of_kind(operand, "number").value
                return _Part("number", lambda scene: _with(lambda one: -one, inner(scene)))
            case ast.Compare():
                return self._compared(node)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                act, one, other = _ARITHMETIC[type(op)], self._of_kind(left, "number").value, self._of_kind(right, "number").value
                return _Part("number", lambda scene: _with(act, one(scene), other(scene)))
            case ast.Call(func=ast.Name(id="abs"), args=[only], keywords=[]):
                inner = self._of_kind(only, "number").value
                return _Part("number", lambda scene: _with(abs, inner(scene)))
            case ast.Constant() | ast.Name() | ast.Attribute():
                return self._leaf(node)
            case _:
                raise self._refusal(node, "comparisons, and, or, not, in, + - * / and abs() are understood")

    def _leaf(self, node: ast.Constant | ast.Name | ast.Attribute) -> _Part:
        match node:
            case ast.Constant(value=bool() as truth):
                return _Part("truth", lambda _: truth)
            case ast.Constant(value=int() | float()):
                digits = ast.get_source_segment(self.text.strip(), node) or ""
                try:
                    number = Decimal(digits)
                except InvalidOperation:
                    raise self._refusal(node, "numbers are written in decimals") from None
                return _Part("number", lambda _: number)
            case ast.Constant(value=str() as word):
                return _Part("text", lambda _: word, literal=word)
            case ast.Name(id=name) if name in STANDING.__struct_fields__:
                self.asks_standing = True
                return _field_of(STANDING, name, lambda scene: scene.standing)
            case ast.Name(id=name):
                # A word that stands for itself, where a text is asked for: BTCUSDT, main.
                return _Part("text", lambda _: name, literal=name)
            case ast.Attribute(value=ast.Name(id=subject), attr=field):
                return self._asked(node, subject, field)
            case _:
                raise self._unknown(node)

    def _unknown(self, node: ast.expr) -> ConfigError:
        known = sorted([*STANDING.__struct_fields__, *(f"{subject}.…" for subject in SUBJECTS)])
        return self._refusal(node, f"names are {', '.join(known)}")

    def _asked(self, node: ast.expr, subject: str, field: str) -> _Part:
        kind = SUBJECTS.get(subject)
        if kind is None:
            raise self._refusal(node, f"subjects are {', '.join(sorted(SUBJECTS))}")
        name = _ALIASES.get((subject, field), field)
        if name not in kind.__struct_fields__ or _kind_of(kind, name) is None:
            known = [one for one in kind.__struct_fields__ if _kind_of(kind, one) is not None]
            known = sorted([*known, *(alias for owner, alias in _ALIASES if owner == subject)])
            near = difflib.get_close_matches(field, known, 1)
            raise self._refusal(node, f"{subject} has {', '.join(known)}" + (f"; did you mean {subject}.{near[0]}?" if near else ""))
        self.subjects.add(subject)
        part = _field_of(kind, name, lambda scene: scene.subjects.get(subject))
        if (subject, name) == ("reject", "rejection_code"):
            return _Part("text", lambda scene: _checked_code(scene.subjects.get(subject)), _CODES)
        return part._replace(words=frozenset(AlertCode.__members__)) if (subject, name) == ("alert", "code") else part

    def _compared(self, node: ast.Compare) -> _Part:
        steps = []
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            steps.append(self._among(left, op, right) if isinstance(op, ast.In | ast.NotIn) else self._pair(left, op, right))
            left = right
        return _Part("truth", lambda scene: _all(step(scene) for step in steps))

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Callable[[Scene], Any]:
        one, other, act = self._part(left), self._part(right), _COMPARE.get(type(op))
        if act is None:
            raise self._refusal(left, "comparisons are == != < <= > >= and in")
        for node, asked, given in ((left, one, other), (right, other, one)):
            if isinstance(node, ast.Name) and asked.literal is not None and (given.kind != "text" or given.literal is not None):
                raise self._unknown(node)
        if one.kind != other.kind:
            raise self._refusal(left, f"a {one.kind} cannot be compared with a {other.kind}")
        if one.kind != "number" and type(op) not in (ast.Eq, ast.NotEq):
            raise self._refusal(left, f"a {one.kind} is compared by == or !=")
        self._must_be_a_word(left, one, other)
        self._must_be_a_word(right, other, one)
        if one.kind == "text":
            wanted = type(op) is ast.Eq
            return lambda scene: _with(lambda a, b: _same(a, b) is wanted, one.value(scene), other.value(scene))
        return lambda scene: _with(act, one.value(scene), other.value(scene))

    def _among(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Callable[[Scene], Any]:
        if not isinstance(right, ast.Tuple | ast.List):
            raise self._refusal(right, "in is followed by a list: symbol in (BTCUSDT, ETHUSDT)")
        pairs = [self._pair(left, ast.Eq(), one) for one in right.elts]
        if isinstance(op, ast.In):
            return lambda scene: _any(pair(scene) for pair in pairs)
        return lambda scene: _opposite(_any(pair(scene) for pair in pairs))

    def _joined(self, values: list[ast.expr], *, all_of: bool) -> _Part:
        parts = [self._of_kind(one, "truth").value for one in values]
        if all_of:
            return _Part("truth", lambda scene: _all(part(scene) for part in parts))
        return _Part("truth", lambda scene: _any(part(scene) for part in parts))

    def _of_kind(self, node: ast.expr, kind: str) -> _Part:
        part = self._part(node)
        if part.kind != kind and part.literal is not None and isinstance(node, ast.Name):
            raise self._unknown(node)
        if part.kind != kind:
            raise self._refusal(node, f"a {kind} must stand here, not a {part.kind}")
        return part

    def _must_be_a_word(self, node: ast.expr, asked: _Part, given: _Part) -> None:
        if asked.words is not None and given.literal is not None and given.literal not in asked.words:
            near = difflib.get_close_matches(given.literal, asked.words, 3)
            among = f"did you mean {', '.join(near)}?" if near else f"it is one of {', '.join(sorted(asked.words))}"
            raise self._refusal(node, f"it is never {given.literal}; {among}")

    def _refusal(self, node: ast.expr, rule: str) -> ConfigError:
        return ConfigError(f"UNTIL: {ast.get_source_segment(self.text.strip(), node) or self.text}: {rule}")


def subjects_of(record: r.Record) -> dict[str, r.Record]:
    """A record under every subject it is: a refused order is an order and a reject, a result with a quantity is a fill."""
    found = {name: record for name, kind in SUBJECTS.items() if type(record) is kind}
    if isinstance(record, r.Order) and record.approved:
        del found["reject"]
    if isinstance(record, r.OrderResult) and not record.quantity:
        del found["fill"]
    return found


_CODES = frozenset(RejectionCode.__members__) | {
    "KILL_SWITCH", "VALIDITY", "FRESHNESS", "FEED", "ANOMALY", "CIRCUIT_BREAKER", "DAILY_DRAWDOWN", "EXPOSURE", "ALLOCATION",
    "TRADE_LIMITS", "MARGIN", "COST", "RESTRAINT", "SIZE",
}  # fmt: skip


def _checked_code(record: r.Record | None) -> CheckedCode | None:
    if not isinstance(record, r.Order) or record.rejection_code is None:
        return None
    code = CheckedCode(record.rejection_code)
    code.check = next((one["check"].upper() for one in json.loads(record.checks) if one["code"] == record.rejection_code), "")
    return code


def _field_of(kind: type[r.Record], field: str, holder: Callable[[Scene], Any]) -> _Part:
    found = _kind_of(kind, field)
    assert found is not None, f"{kind.__name__}.{field} is not asked for"
    words = _types(kind, field)
    enums = [one for one in words if isinstance(one, type) and issubclass(one, StrEnum)]
    known = frozenset(member.value for member in enums[0]) if enums else None
    return _Part(found, lambda scene: _with(lambda record: getattr(record, field), holder(scene)), known)


def _types(kind: type[r.Record], field: str) -> list[Any]:
    hint = get_type_hints(kind)[field]
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return [one for one in options if one is not type(None)]


def _kind_of(kind: type[r.Record], field: str) -> str | None:
    """What a condition can do with a field; None for lists."""
    [first, *_] = _types(kind, field)
    if first is bool:
        return "truth"
    if first in (int, Decimal):
        return "number"
    return "text" if isinstance(first, type) and issubclass(first, str) else None


def _same(one: str, other: str) -> bool:
    for left, right in ((one, other), (other, one)):
        if isinstance(left, CheckedCode) and str(right) in (str(left), left.check):
            return True
    return str(one) == str(other)


def _with(act: Callable[..., Any], *values: Any) -> Any:
    """What `act` makes of the values, nothing where one of them is not there."""
    return None if any(value is None for value in values) else act(*values)


def _opposite(value: Any) -> Any:
    return None if value is None else not value


def _all(values: Any) -> Any:
    found = list(values)
    return False if any(one is False for one in found) else None if any(one is None for one in found) else True


def _any(values: Any) -> Any:
    found = list(values)
    return True if any(one is True for one in found) else None if any(one is None for one in found) else False
