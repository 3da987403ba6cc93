"""The command `simulate`: a simulated VOD service, with events if a callback is given."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack

from exporter.command.signals import signals
from exporter.errors import ConfigError
from exporter.keys import Key
from exporter.simulator.events import Events
from exporter.simulator.server import Simulator
from exporter.simulator.service import Options
from exporter.web.listener import parse

_SIMULATING = """\
Simulating VOD at {url}, access key simulator, secret simulator. Configure the exporter with:

  accounts:
    - name: simulated
      endpoint: {url}
      credentials: {{access_key_id: simulator, access_key_secret: simulator}}

{url}/simulator/truth shows the true state of all tasks, {url}/ lists all paths. Press Ctrl-C to stop.
"""


def run(args: argparse.Namespace) -> int:
    """Simulate until SIGTERM or SIGINT. Returns the exit status."""
    world: Options = {"seed": args.seed, "scenario": args.scenario, "speed": args.speed, "tasks": args.tasks}
    if (args.callback_url is None) != (args.callback_key_file is None):
        raise ConfigError(["--callback-url and --callback-key-file belong together; give both or neither"])
    with ExitStack() as running:
        stopped = running.enter_context(signals())
        simulator = running.enter_context(Simulator(listen=parse(args.listen), **world))
        if args.callback_url is not None:
            try:
                key = Key(args.callback_key_file).read()
            except ValueError as error:
                raise ConfigError(
                    [f"--callback-key-file: {args.callback_key_file} {error}; give a file with the key"]
                ) from None
            events = Events(simulator.world, url=args.callback_url, key=key)
            events.start()
            running.callback(events.stop)
        print(_SIMULATING.format(url=simulator.url), flush=True)
        while not stopped():
            time.sleep(0.1)
    return 0
