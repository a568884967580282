"""The entry points of a wheel, from the text of entry_points.txt.

Owns that format (PyPA "Entry points specification"). Pure. Whether a job's `entry_point` exists
is for the gates to say.
"""

from __future__ import annotations

import configparser

from deployer.library.model import EntryPoint

_NO_SECTION = "\0"  # the format has no defaults, so no group may act as such


def parse_entry_points(text: str) -> tuple[EntryPoint, ...]:
    """All entry points in `text`, in its order; names keep their case.

    Raises:
        ValueError: The text does not follow the format; the message says where.
    """
    parser = configparser.ConfigParser(
        delimiters=("=",), interpolation=None, strict=False, default_section=_NO_SECTION
    )
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # documented way to keep case
    try:
        parser.read_string(text, source="entry_points.txt")
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())) from None
    return tuple(
        EntryPoint(group, name, value.strip())
        for group in parser.sections()
        for name, value in parser.items(group)
    )
