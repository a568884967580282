"""The container's door: inputs from the runner's INPUT_ variables, then `deployer.main`."""

import os
import sys
import tempfile
from pathlib import Path

from deployer.context import RunContext
from deployer.inputs import from_runner
from deployer.main import Streams, perform

if __name__ == "__main__":
    texts, warnings = from_runner(os.environ)
    context = RunContext.from_environ(os.environ, cwd=Path.cwd(), temp=Path(tempfile.gettempdir()))
    streams = Streams(sys.stdout, sys.stderr)
    sys.exit(
        perform(texts, environ=os.environ, context=context, streams=streams, warnings=warnings)
    )
