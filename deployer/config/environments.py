"""Tree → environments: which keys the file may have, and what a value may look like.

Owns the form of spark-deploy.yml. Which inputs may stand there, `contract.INPUTS` says; what their texts
mean, `settings`: a text from the file is read by the same parser as an input. Must not read files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from deployer.config.secrets import is_secret_key, looks_secret, secret_problem
from deployer.config.tree import Complaints, Kind, Mark, Node, Scalar, Series, Table
from deployer.contract import INPUTS, Input, InputType
from deployer.settings import did_you_mean, value_problems

VERSION = "1"
KEYS = ("version", "defaults", "environments")
BRANCHES = "branches"
RELEASES = "releases"
OWN_KEYS = (BRANCHES, RELEASES)  # of an environment, and no input
FILE_INPUTS: Mapping[str, Input] = {one.file_key: one for one in INPUTS if one.in_file}

# Forms that a whole text has. The JSON Schema has them too, so they use what Python and ECMAScript share.
NAME_FORM = r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}"
BRANCH_FORM = r"[^\s!~^:\\\[\]][^\s~^:\\\[\]]{0,249}"
TEXT_FORM = r"(?!.*\$\{\{)(?!.*\s$)(?!\s)[^\x00-\x1f\x7f\x85\u2028\u2029]+"
BOOLEAN_FORM = r"true|True|TRUE|false|False|FALSE"


@dataclass(frozen=True)
class Entry:
    """The text of one input, and the line where it stands."""

    text: str
    line: int


@dataclass(frozen=True)
class Environment:
    """One target: its name, the patterns of its branches, and texts by input name, defaults included.

    `releases` says that versions that are tagged or released go there.
    """

    name: str
    branches: tuple[str, ...]
    entries: Mapping[str, Entry]
    releases: bool = False


@dataclass(frozen=True)
class Configuration:
    """What `file` says. `defaults` are the texts for a run that needs no target."""

    file: str
    defaults: Mapping[str, Entry]
    environments: tuple[Environment, ...]


def configuration_in(root: Table, complaints: Complaints) -> Configuration:
    """The configuration in the tree of a file. What breaks a rule is left out and added to `complaints`."""
    return _Rules(complaints).configuration(root)


class _Rules:
    """Reads the tree's tables; what breaks a rule is told and left out."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints

    def configuration(self, root: Table) -> Configuration:
        found = {key.text: (key, value) for key, value in root.entries}
        for key, _ in root.entries:
            if key.text not in KEYS:
                self._unknown(key, KEYS, _elsewhere(key.text, "to `defaults` or to an environment"))
        for missing in ("version", "environments"):
            if missing not in found:
                self._complaints.add(root.mark, f"the key `{missing}` is missing", remedy=_EXAMPLE)
        if "version" in found:
            self._version(*found["version"])
        defaults: dict[str, Entry] = {}
        if "defaults" in found and (table := self._table(*found["defaults"])):
            defaults = self._texts(table, FILE_INPUTS)
        environments: list[Environment] = []
        if "environments" in found and (table := self._table(*found["environments"])):
            environments = list(self._environments(table, defaults))
        return Configuration(self._complaints.file, defaults, tuple(environments))

    def _version(self, key: Scalar, value: Node) -> None:
        if isinstance(value, Scalar) and value.kind is Kind.REFUSED:
            return
        if not (isinstance(value, Scalar) and value.text == VERSION and value.kind is Kind.NUMBER):
            remedy = f"This release of spark-deploy reads `version: {VERSION}`."
            self._complaints.add(key.mark, "`version` says a form that is not known", remedy=remedy)

    def _environments(self, table: Table, defaults: Mapping[str, Entry]) -> Iterator[Environment]:
        if not table.entries:
            self._complaints.add(table.mark, "`environments` has no environment", remedy=_EXAMPLE)
        taken: dict[str, str] = {}
        release = ""  # the environment that releases go to
        for key, value in table.entries:
            if not re.fullmatch(NAME_FORM, key.text):
                what = f"`{_shown(key.text)}` can't be the name of an environment"
                remedy = "It takes letters, digits and `.`, `_`, `-`, `/`, at most 100 of them."
                self._complaints.add(key.mark, what, remedy=remedy)
            if own := self._table(key, value):
                texts = self._texts(own, (*FILE_INPUTS, *OWN_KEYS))
                branches = tuple(self._branches(key.text, own, taken))
                releases = self._releases(own, release)
                release = release or (key.text if releases else "")
                yield Environment(key.text, branches, {**defaults, **texts}, releases)

    def _branches(self, name: str, table: Table, taken: dict[str, str]) -> Iterator[str]:
        for key, value in table.entries:
            for one in self._scalars(key, value) if key.text == BRANCHES else ():
                if not re.fullmatch(BRANCH_FORM, one.text):
                    what = f"`{_shown(one.text)}` is no pattern for branches"
                    remedy = "It is a name, or has `*`, `**` and `?` in it, such as `release/*`."
                    self._complaints.add(one.mark, what, remedy=remedy)
                elif one.text in taken:
                    what = f"the branch `{_shown(one.text)}` belongs to `{taken[one.text]}` already"
                    remedy = "Keep it in one environment."
                    self._complaints.add(one.mark, what, remedy=remedy)
                else:
                    taken[one.text] = name
                    yield one.text

    def _releases(self, table: Table, other: str) -> bool:
        """Whether releases go to the environment of `table`; `other` is one that has them already."""
        found = False
        for key, value in table.entries:
            if key.text != RELEASES:
                continue
            text = self._text(_BOOLEAN, key, value)
            found = text is not None and text.lower() == "true"
            if found and other:
                what = f"releases go to `{other}` already"
                self._complaints.add(key.mark, what, remedy="Keep it in one environment.")
        return found

    def _texts(self, table: Table, known: Iterable[str]) -> dict[str, Entry]:
        """The texts of a table's inputs, by input name."""
        texts: dict[str, Entry] = {}
        for key, value in table.entries:
            declared = FILE_INPUTS.get(key.text)
            if is_secret_key(key.text):
                self._complaints.add_problem(
                    key.mark, secret_problem(self._complaints.file, key.mark.line, key.text)
                )
            elif declared is not None:
                if (text := self._text(declared, key, value)) is not None:
                    texts[declared.name] = Entry(text, key.mark.line)
            elif key.text not in known:
                self._unknown(key, known, _elsewhere(key.text, "to an environment"))
        for name, entry in texts.items():
            for problem in value_problems({name: entry.text}, {name: self._place(name, entry)}):
                self._complaints.add_problem(Mark(entry.line), problem)
        return texts

    def _place(self, name: str, entry: Entry) -> str:
        return place(self._complaints.file, name, entry)

    def _text(self, declared: Input, key: Scalar, value: Node) -> str | None:
        """The text that the input would have; None when it has not the form of one."""
        if declared.type is InputType.LIST:
            found = [one.text for one in self._scalars(key, value)]
            return ", ".join(found) or None
        if not isinstance(value, Scalar):
            self._complaints.add(value.mark, f"`{key.text}` takes one value, not several")
            return None
        if not self._is_text(key, value, boolean=declared.type is InputType.BOOLEAN):
            return None
        if declared.type is InputType.BOOLEAN and not re.fullmatch(BOOLEAN_FORM, value.text):
            what = f"`{key.text}` can't be `{_shown(value.text)}`"
            remedy = "It takes `true` or `false`; other words mean different things to different readers."
            self._complaints.add(value.mark, what, remedy=remedy)
            return None
        return value.text

    def _scalars(self, key: Scalar, value: Node) -> list[Scalar]:
        """One text or a list of texts."""
        if isinstance(value, Table) or (isinstance(value, Series) and not value.items):
            self._complaints.add(value.mark, f"`{key.text}` takes one text or a list of texts")
            return []
        nodes = value.items if isinstance(value, Series) else (value,)
        found = []
        for node in nodes:
            if not isinstance(node, Scalar):
                self._complaints.add(node.mark, f"an item of `{key.text}` is no text")
            elif self._is_text(key, node):
                found.append(node)
        return found

    def _is_text(self, key: Scalar, value: Scalar, *, boolean: bool = False) -> bool:
        """Whether `value` can be the text of an input; complains if not."""
        name, mark = key.text, value.mark
        if value.kind is Kind.REFUSED:
            return False
        if value.kind is Kind.NOTHING or not value.text.strip():
            remedy = "Give it a value, or remove the line."
            self._complaints.add(mark, f"`{name}` has no value", remedy=remedy)
        elif looks_secret(value.text):
            self._complaints.add_problem(
                mark, secret_problem(self._complaints.file, mark.line, name)
            )
        elif value.kind is Kind.BOOLEAN and not boolean:
            remedy = f'If it is meant as a text, quote it: "{value.text}".'
            self._complaints.add(mark, f"`{name}` can't be `{value.text}`", remedy=remedy)
        elif "${{" in value.text:
            what = f"`{name}` has an expression `${{{{ … }}}}`, which only workflow files may have"
            self._complaints.add(mark, what, remedy="Give it as an input of the step instead.")
        elif not re.fullmatch(TEXT_FORM, value.text):
            what = f"`{name}` has blanks around it, a line break or another control character"
            self._complaints.add(mark, what, remedy="Write the bare value on one line.")
        else:
            return True
        return False

    def _table(self, key: Scalar, value: Node) -> Table | None:
        if isinstance(value, Table):
            return value
        if not (isinstance(value, Scalar) and value.kind is Kind.REFUSED):
            self._complaints.add(key.mark, f"`{_shown(key.text)}` takes keys and values below it")
        return None

    def _unknown(self, key: Scalar, known: Iterable[str], hint: str) -> None:
        near = "" if hint else did_you_mean(key.text, known)
        what = f"there is no key `{_shown(key.text)}` here{near}"
        remedy = hint or ("" if near else f"Known are {_listed(known)}.")
        self._complaints.add(key.mark, what, remedy=remedy)


def place(file: str, name: str, entry: Entry) -> str:
    """Where `entry` stands, as the beginning of a sentence about the input `name`."""
    key = next(one.file_key for one in INPUTS if one.name == name)
    return f"`{key}` in {file}, line {entry.line},"


def _elsewhere(key: str, belongs: str) -> str:
    """A hint for a key that has its place, but not here."""
    if key in OWN_KEYS or key in FILE_INPUTS:
        return f"`{key}` belongs {belongs}."
    for one in INPUTS:
        if one.name == key:
            if one.in_file:
                return f"Here it is called `{one.file_key}`."
            return f"`{key}` is no property of an environment: give it as an input of the run."
    return ""


def _listed(known: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in known)


_BOOLEAN = Input(RELEASES, "", InputType.BOOLEAN)


def _shown(text: str) -> str:
    if looks_secret(text):
        return "***"
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - enough to find it


_EXAMPLE = """\
The least that it takes:

```yaml
version: 1
environments:
  production:
    host: https://adb-1234567890123456.7.azuredatabricks.net
    root: /Volumes/main/libraries/released
```"""
