"""
What is wrong with given settings, one line for each fault: "NAME must be <rule>, was <value>".

The rule is told from the field's own constraints, so a range stands in one place. Names are upper-case, as in files.
"""

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def faults_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every fault that validating `model` found, in the order of its fields."""
    return [_line(fault, model) for fault in error.errors()]


def _line(fault: ErrorDetails, model: type[BaseModel]) -> str:
    if fault["type"] == "value_error":
        # A rule over several fields names them itself.
        return str(fault.get("ctx", {}).get("error", fault["msg"]))
    name = ".".join(str(part) for part in fault["loc"]).upper()
    if fault["type"] == "extra_forbidden":
        return f"{name} must be one of {', '.join(field.upper() for field in model.model_fields)}, was unknown"
    if fault["type"] == "missing":
        return f"{name} must be given, was missing"
    assert fault["loc"], f"{model.__name__} must be validated from a mapping"
    rule = _rule(fault, model, str(fault["loc"][0]))
    return f"{name} must be {rule}, was {fault['input']}"


def _rule(fault: ErrorDetails, model: type[BaseModel], field: str) -> str:
    context = fault.get("ctx", {})
    if "expected" in context:
        return str(context["expected"])
    if "pattern" in context:
        return f"text like {context['pattern']}"
    metadata = model.model_fields[field].metadata
    bounds = {bound: getattr(rule, bound) for rule in metadata for bound in _BOUNDS if hasattr(rule, bound)}
    if not bounds:
        return fault["msg"].removeprefix("Input should be ")
    kind = "a whole number " if model.model_fields[field].annotation is int else ""
    if bounds.keys() >= {"ge", "le"}:
        return f"{kind}{bounds['ge']}..{bounds['le']}"
    return kind + " and ".join(f"{_BOUNDS[bound]} {value}" for bound, value in bounds.items())
