#!/opt/spark-deploy/venv/bin/python -Esu
"""The post step of the action: gives back locks that the main step had to leave behind."""

import os
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    from deployer.leftover import STATE, noted

    left = noted(os.environ.get(f"STATE_{STATE}", ""))
    if not left:
        sys.exit(0)  # the usual case: nothing more is loaded

    from deployer.context import RunContext
    from deployer.delivery import Streams
    from deployer.inputs import from_runner
    from deployer.main import give_back_locks

    texts, _ = from_runner(os.environ)
    context = RunContext.from_environ(os.environ, cwd=Path.cwd(), temp=Path(tempfile.gettempdir()))
    streams = Streams.standard(sys.stdout, sys.stderr, encoding="utf-8")
    give_back_locks(left, texts, environ=os.environ, context=context, streams=streams)
