"""The help of each command, wrapped to the width of the terminal."""

from __future__ import annotations

import re
import shutil
import textwrap

PROGRAM = "vod-transcode-exporter"

MAX_WIDTH = 98
_COLUMN = re.compile(r"  +(?=\S)")


def width() -> int:
    """The width of help on this terminal, in characters; 80 columns if stdout is no terminal."""
    return max(20, min(MAX_WIDTH, shutil.get_terminal_size().columns - 2))


def wrapped(text: str, width: int) -> str:
    """`text` wrapped to `width`. Lines without indentation are joined to paragraphs; indented ones stay lines.

    If an indented line has columns, its further lines start at the last column.
    """
    lines: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line and not line.startswith(" "):
            paragraph.append(line)
            continue
        lines += _wrapped(" ".join(paragraph), width, "") if paragraph else []
        paragraph = []
        lines += _wrapped(line, width, " " * _hanging(line, width))
    return "\n".join(lines).rstrip("\n") + "\n"


def _wrapped(line: str, width: int, hanging: str) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent=hanging, break_on_hyphens=False) or [""]


def _hanging(line: str, width: int) -> int:
    starts = [match.end() for match in _COLUMN.finditer(line)]
    return starts[-1] if starts and starts[-1] <= width // 2 else 4


ABOUT = "Prometheus exporter for the transcode tasks of ApsaraVideo VOD."
TOP = f"""\
usage: {PROGRAM} [COMMAND] [FLAGS]

{ABOUT}

commands:
  run                 serve metrics (the default command)
  demo                run a simulator and the exporter on loopback; no account needed
  simulate            run only the simulator
  check-config FILE   check a configuration file; with --online also keys, network and permissions
  task ID...          ask VOD once about tasks; print them and their jobs as a table
  tasks               print what runs now, as a running exporter knows it
  write KIND DIR      write rules, dashboards, runbooks, a systemd unit or an example configuration
  state copy FROM TO  copy the state from a file into PostgreSQL, or back

flags:
  --help, -h          print this text; after a command, the flags of that command
  --version           print the versions of the exporter and of Python

how to start:
  without an account  {PROGRAM} demo
  with an account     {PROGRAM} --config.file=FILE
"""
RUN = """\
Serve metrics for Prometheus. At each scrape, the exporter asks VOD about the tracked tasks.
"""
RUN_END = """\
In prometheus.yml:

  scrape_configs:
    - job_name: vod-transcode
      static_configs:
        - targets: ["localhost:10870"]

It also serves / (status page), /probe?account=NAME (metrics of one account), /sd (the list of
accounts, for http_sd_configs), /-/healthy and /-/ready. SIGTERM stops the exporter after it has
answered the running requests; a second SIGTERM stops it at once. SIGHUP reloads the configuration,
and so does POST /-/reload with --web.enable-lifecycle. If the new configuration has faults, the
exporter logs them and keeps the old one.
"""
DEMO = """\
Run a simulator and the exporter on loopback; no account needed. The demo prints the addresses to
open, scrapes the exporter every few seconds, as Prometheus would, and prints a summary. With
--stack it also starts Prometheus, Alertmanager and Grafana, if installed, with the rules and
dashboards of this project, on free ports.
"""
SIMULATE = """\
Run a simulated VOD service over HTTP. Tasks arrive; their jobs make progress, finish or fail.
"""
SIMULATE_END = """\
The access key is `simulator`, its secret `simulator`. In addition to the API it serves:

  GET  /simulator/truth      the true state of every task; ?summary=1 returns only counts
  POST /simulator/faults     inject a fault, e.g. {"kind": "delay", "seconds": 2}; DELETE clears all
  POST /simulator/clock      {"frozen": true} stops the clock, {"frozen": false} starts it again
"""
CHECK = """\
Check a configuration file, and the key files that it names. If the file is valid, it prints the
endpoint of each account. If not, it prints every fault with file, line and key, and ends with exit
status 1. It opens no port, and does not call VOD without --online.

It warns about likely mistakes: AccessKey id and secret exchanged, more calls a second than VOD
allows, file patterns without a file, a missing folder for the state. Warnings leave the exit status
at 0.
"""
CHECK_END = f"""\
With --online, it calls each operation once for each account, and prints whether it is granted:

  account prod: https://vod.cn-shanghai.aliyuncs.com
    GetTranscodeTask     granted
    GetVideoList         not granted: Forbidden.RAM: ... (grant ... the action vod:GetVideoList)

Most calls ask for an id that does not exist. No call changes anything, or takes over 10 seconds.
If the keys are refused, VOD cannot be reached, or an operation that the configuration needs is not
granted, the exit status is 1. Run it where the exporter will run, because the network counts, too:

  {PROGRAM} check-config --online prod.yml
"""
TASK = """\
Ask VOD once about tasks, and print the tasks and their jobs.
"""
TASK_END = f"""\
It calls VOD, not the exporter: https://vod.REGION.aliyuncs.com, or the `endpoint` of the account, with
its keys and the proxies of the environment. The call counts for VOD's quota.

Lines have at most 100 columns; --json prints long URLs whole. The exit status is 1 if a task could
not be read.

  {PROGRAM} task --config.file=prod.yml b1b65ab107e14e7fa0f3dbb900f6c1fe
"""

TASKS = """\
Print the unfinished jobs of all accounts: what runs now, how far it is, and how old it is.
"""
TASKS_END = f"""\
It reads the metrics of a running exporter: the one on this machine at port 10870, or the one at --url. It
calls nothing else; proxies of the environment are used, but not to reach this machine. This is a
scrape: the exporter asks VOD about unfinished jobs, within its budget. With --watch, it does so every
five seconds, until Ctrl-C.

The list has the jobs with series of their own: none with `series.per_job: false`, and at most
`series.max_jobs`. The exit status is 1 if the exporter does not answer.

  {PROGRAM} tasks --url=http://exporter:10870
  {PROGRAM} tasks --url=https://proxy.example/vod/
"""
WRITE = """\
Write files that come with the exporter to a folder.
"""
WRITE_END = f"""\
Kinds:

  rules       recording and alerting rules for Prometheus
  dashboards  dashboards for Grafana
  runbooks    a page for each alert, in Markdown
  unit        a unit for systemd
  config      an example configuration with all keys

If the folder has files with other content, the command names them and writes nothing, unless you
pass --overwrite. After an upgrade, write rules and dashboards again with --overwrite.

  {PROGRAM} write rules /etc/prometheus/rules
"""
STATE = """\
Copy the whole state between the file of state.path and the database of state.postgres.
"""
STATE_END = f"""\
Stop all exporters that use one of the two. TO must not have a state. The copy is compared with the
original, and made whole or not at all. The password may be in PGPASSWORD or in ~/.pgpass.

  {PROGRAM} state copy vod-transcode-exporter.db postgresql://vod@db/vod
"""
