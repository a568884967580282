"""GitHub's expressions, as far as our recipes use them: contexts, operators, functions.

A port of their meaning (GitHub docs, "Evaluate expressions in workflows and actions"): what is not there is
null, texts compare without case, and `&&` and `||` give one of their sides. An unknown function or a name
that is no context is an error, so that a typo in a recipe fails its test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Context = Mapping[str, Any]
Functions = Mapping[str, Callable[..., Any]]
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)"
    r"|(?P<sign>==|!=|&&|\|\||[!().,\[\]*]))"
)
_WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_PLACE = re.compile(r"\$\{\{(.*?)\}\}", re.S)


class WrongExpression(ValueError):
    """An expression that GitHub would refuse, or that this player does not know."""


def fill(text: str, context: Context, functions: Functions | None = None) -> str:
    """`text` with each `${{ … }}` replaced by its value."""
    return _PLACE.sub(lambda found: as_text(evaluate(found[1], context, functions)), text)


def evaluate(text: str, context: Context, functions: Functions | None = None) -> Any:
    """The value of an expression, without its `${{ }}`. Raises WrongExpression."""
    parser = _Parser(_tokens(text), context, {**_FUNCTIONS, **(functions or {})})
    value = parser.either()
    if parser.left:
        raise WrongExpression(f"{text!r} goes on after its end: {parser.left}")
    return value


def as_text(value: Any) -> str:
    """How a value stands in a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def truth(value: Any) -> bool:
    """Whether a value counts as true in `if`."""
    return value not in (None, False, 0, "")


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, text.strip()
    while at < len(text):
        one = _TOKEN.match(text, at)
        if one is None or one.lastgroup is None:
            raise WrongExpression(f"{text!r} can't be read at {at}")
        found.append((one.lastgroup, one[one.lastgroup]))
        at = one.end()
    return found


class _Parser:
    def __init__(
        self, tokens: Sequence[tuple[str, str]], context: Context, functions: Functions
    ) -> None:
        self.left = list(tokens)
        self._context = context
        self._functions = functions

    def either(self) -> Any:
        value = self._both()
        while self._takes("||"):
            other = self._both()
            value = value if truth(value) else other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._takes("&&"):
            other = self._compared()
            value = other if truth(value) else value
        return value

    def _compared(self) -> Any:
        value = self._single()
        for sign, same in (("==", True), ("!=", False)):
            if self._takes(sign):
                return (_folded(value) == _folded(self._single())) is same
        return value

    def _single(self) -> Any:
        if self._takes("!"):
            return not truth(self._single())
        if self._takes("("):
            value = self.either()
            self._wants(")")
            return value
        if not self.left:
            raise WrongExpression("something is missing at the end")
        kind, text = self.left.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "name":
            return self._named(text)
        raise WrongExpression(f"{text!r} stands where a value should")

    def _named(self, name: str) -> Any:
        if name in _WORDS:
            return _WORDS[name]
        if self._takes("("):
            return self._called(name)
        if name not in self._context:
            raise WrongExpression(f"there is no context {name!r}")
        value = self._context[name]
        while self.left and self.left[0][1] in {".", "["}:
            if self._takes("."):
                key: Any = self.left.pop(0)[1]
            else:
                self._wants("[")
                key = self.either()
                self._wants("]")
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def _called(self, name: str) -> Any:
        if name not in self._functions:
            raise WrongExpression(f"there is no function {name!r}")
        arguments: list[Any] = []
        while not self._takes(")"):
            arguments.append(self.either())
            self._takes(",")
        return self._functions[name](*arguments)

    def _takes(self, sign: str) -> bool:
        if self.left and self.left[0] == ("sign", sign):
            self.left.pop(0)
            return True
        return False

    def _wants(self, sign: str) -> None:
        if not self._takes(sign):
            raise WrongExpression(f"{sign!r} is missing before {self.left[:1]}")


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else ("" if value is None else value)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, list):
        return _folded(part) in [_folded(one) for one in whole]
    return as_text(part).lower() in as_text(whole).lower()


def _format(text: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda found: as_text(values[int(found[1])]), text)


_FUNCTIONS: Functions = {
    "contains": _contains,
    "startsWith": lambda text, part: as_text(text).lower().startswith(as_text(part).lower()),
    "endsWith": lambda text, part: as_text(text).lower().endswith(as_text(part).lower()),
    "format": _format,
    "fromJSON": json.loads,
    "toJSON": lambda value: json.dumps(value, indent=2),
    "join": lambda values, sign=",": as_text(sign).join(as_text(one) for one in values),
}
