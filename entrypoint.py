"""The container's door: inputs from the runner's INPUT_ variables, then `deployer.main`."""

import os
import sys
import tempfile
from pathlib import Path

from deployer.stopping import Stop

if __name__ == "__main__":
    stop = Stop()
    stop.listen()  # before anything is loaded: a run may be cancelled at once

    from deployer.context import RunContext
    from deployer.delivery import Streams
    from deployer.inputs import from_runner
    from deployer.main import perform

    texts, warnings = from_runner(os.environ)
    context = RunContext.from_environ(os.environ, cwd=Path.cwd(), temp=Path(tempfile.gettempdir()))
    # The runner reads UTF-8, whatever the locale.
    streams = Streams.standard(sys.stdout, sys.stderr, encoding="utf-8")
    sys.exit(
        perform(
            texts,
            environ=os.environ,
            context=context,
            streams=streams,
            warnings=warnings,
            stop=stop,
        )
    )
