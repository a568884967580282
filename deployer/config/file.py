"""Bytes of spark-deploy.yml → configuration, or everything that is wrong with them.

Imports the YAML reader, so only who has such a file imports this. Must not open files.
"""

from __future__ import annotations

from deployer.config.environments import Configuration, configuration_in
from deployer.config.tree import Complaints
from deployer.config.yaml_text import read_tree
from deployer.errors import raise_if_any


def read_configuration(content: bytes, file: str) -> Configuration:
    """The configuration in `content`; `file` is its name for messages.

    Raises:
        DeployError: invalid-configuration or invalid-input, with every problem.
    """
    complaints = Complaints(file)
    found = configuration_in(read_tree(content, complaints), complaints)
    raise_if_any(complaints.problems)
    return found
