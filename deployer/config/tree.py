"""A file of settings as texts with the place of each, and the collector of what is wrong with it.

Owns the values between the YAML reader and the rules. Must not know YAML or any key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from deployer.errors import FailureReason, Problem

_MOST = 25  # problems that are told; a file with more has one cause


@dataclass(frozen=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int
    column: int = 1


class Kind(StrEnum):
    """What the core schema of YAML 1.2 takes a scalar for, which is what editors show."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NOTHING = "nothing"
    REFUSED = "refused"  # told already; rules leave it out


@dataclass(frozen=True)
class Scalar:
    """One value or key, exactly as it is written: `1.10` stays `1.10`."""

    text: str
    kind: Kind
    mark: Mark


@dataclass(frozen=True)
class Series:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True)
class Table:
    """A mapping. Every key stands once."""

    entries: tuple[tuple[Scalar, Node], ...]
    mark: Mark


Node = Scalar | Series | Table


@dataclass
class Complaints:
    """Collects what is wrong with `file`, so that all of it is told at once, in the file's order."""

    file: str
    _found: list[tuple[Mark, Problem]] = field(default_factory=list)

    def add(self, mark: Mark, what: str, *, detail: str = "", remedy: str = "") -> None:
        """`what` is the rest of a sentence that begins with the place."""
        title = f"{self.file}, line {mark.line}, column {mark.column}: {what}."
        problem = Problem(FailureReason.INVALID_CONFIGURATION, title, detail, remedy)
        self._found.append((mark, problem))

    def add_problem(self, mark: Mark, problem: Problem) -> None:
        """A problem that has its own words, at `mark`."""
        self._found.append((mark, problem))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found, by place; at most some, and then how many there are."""
        by_place = sorted(self._found, key=lambda one: (one[0].line, one[0].column))
        told = [problem for _, problem in by_place[:_MOST]]
        if more := len(by_place) - len(told):
            title = f"{self.file} has {more} more problems."
            told.append(Problem(FailureReason.INVALID_CONFIGURATION, title))
        return tuple(told)
