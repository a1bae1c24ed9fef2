"""What runs in the process that `child_process` starts: it trains, and tells its parent."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from typing import IO, Any

from napari_dim.engine.training.child_process import lower_priority


def main() -> None:
    """Train the job on standard input; events go to standard output."""
    told = sys.stdin.buffer
    # What libraries print must not come between the events.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which says stop.

    from napari_dim.engine.training.control import Control
    from napari_dim.engine.training.events import Finished
    from napari_dim.engine.training.loop import train

    lower_priority()  # Not before: the user waits for the imports.
    job = pickle.load(told)
    control = Control()
    threading.Thread(target=_listen, args=(told, control), daemon=True).start()
    for event in train(job, control):
        if isinstance(event, Finished):
            event.model.networks.cpu()
        pickle.dump(event, events, protocol=pickle.HIGHEST_PROTOCOL)
        events.flush()
    os._exit(0)  # The listening thread waits for the parent.


def _listen(told: IO[bytes], control: Any) -> None:
    """Do what the parent's control was told; end with the parent."""
    while True:
        try:
            name, *arguments = pickle.load(told)
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)
        getattr(control, name)(*arguments)


if __name__ == "__main__":
    main()
