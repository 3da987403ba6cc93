"""The status page: a snapshot rendered as HTML."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from exporter import __version__
from exporter.display import ago, duration, iso, moment, percent, size
from exporter.masks import mask, mask_url
from exporter.model import TASK_FINAL
from exporter.snapshot import AccountSnapshot, Snapshot
from exporter.web.listing import REFRESH_SECONDS, SEARCH_LIMIT, Query, State, job_state, listing, paused, task_state
from exporter.web.pace import per_minute, remaining, stands_still
from exporter.web.site import Site
from exporter.web.troubles import Trouble, not_held, slowed_down, troubles

if TYPE_CHECKING:
    from jinja2 import Template

REPOSITORY = "https://github.com/vod-transcode-exporter/vod-transcode-exporter"
ACCOUNTS_SHOWN = 100
TROUBLES_SHOWN = 100

_KINDS = ("problem", "warning", "note")
_HEALTH = {None: ("unasked", "Not scraped yet"), True: ("up", "Up"), False: ("down", "Down")}


def budget(account: AccountSnapshot) -> str:
    """The requests per second that each operation may send, and the operations that are slowed down."""
    full = max(account.budget.values(), default=0.0)
    slow = [f"{action} slowed down to {rate:.3g}" for action, rate in sorted(slowed_down(account).items())]
    return ", ".join([f"{full:g} requests/s", *slow])


def job_counts(account: AccountSnapshot) -> Mapping[State, int]:
    """The number of jobs in each state that occurs, including jobs that are not listed."""
    counts: Counter[State] = Counter()
    for (_, status), count in account.view.job_counts.items():
        counts[job_state(status)] += count
    return {state: counts[state] for state in State if counts[state]}


def by_holder(snapshot: Snapshot) -> list[tuple[str, list[str]]]:
    """The replicas that hold the other accounts, with the names of these: first the accounts that nobody holds."""
    holders = sorted(set(snapshot.elsewhere.values()))
    return [(holder, [name for name, has in snapshot.elsewhere.items() if has == holder]) for holder in holders]


def task_counts(account: AccountSnapshot) -> tuple[int, int]:
    """The number of unfinished tasks, and of finished tasks."""
    counts = account.view.task_counts
    finished = sum(counts.get(status, 0) for status in TASK_FINAL)
    return sum(counts.values()) - finished, finished


def job_dashboard(grafana_url: str, account: str, job_id: str) -> str:
    """The URL of the dashboard Job (`grafana/job.py`) for this job."""
    return f"{grafana_url}/d/vod-job?{urlencode({'var-account': account, 'var-job_id': job_id})}"


def _inline(name: str) -> tuple[str, str]:
    """The text of a file, and its hash for the Content-Security-Policy, which allows this text alone.

    Style and script are inline, so that the page is a single response.
    """
    text = (files("exporter.web") / "templates" / name).read_text("utf-8")
    return text, f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE, _style_hash = _inline("status.css")
_script, _script_hash = _inline("refresh.js")

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_style_hash}; script-src {_script_hash}; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@cache
def template(name: str) -> Template:
    """A template of the folder `templates`. It is compiled when it is first used, so that a start takes less time."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("exporter.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True, auto_reload=False
    )
    environment.globals |= {
        "accounts_shown": ACCOUNTS_SHOWN,
        "states": list(State),
        "health": _HEALTH,
        "refresh_seconds": REFRESH_SECONDS,
        "search_limit": SEARCH_LIMIT,
        "version": __version__,
        "repository": REPOSITORY,
        "style": STYLE,
        "script": _script,
    }
    environment.filters |= {
        "moment": moment,
        "iso": iso,
        "duration": duration,
        "size": size,
        "mask": mask,
        "mask_url": mask_url,
        "percent": percent,
        "budget": budget,
        "job_counts": job_counts,
        "task_counts": task_counts,
        "task_state": task_state,
    }
    return environment.get_template(name)


def status_page(
    snapshot: Snapshot,
    query: Query,
    site: Site,
    troubled: Iterable[Trouble] = (),
    *,
    now: float,
    pause: Callable[[], None] = lambda: None,
) -> str:
    """The page as HTML for `now` in Unix seconds. `troubled` are the troubles of the exporter itself.

    With a Grafana, jobs and the page link to the dashboards there. Without it, the page links to their files.
    Links to pages of the exporter are relative, so that they hold behind a proxy with any prefix.
    The only script loads the page again; without scripts the browser does that. Text from VOD is escaped. Rendering
    reads the snapshot only; it sends no requests to VOD. `pause` is called between parts of the work.
    """
    # Sorting is stable: accounts that cannot be read come first, otherwise the order of the configuration stays.
    accounts = sorted(snapshot.accounts, key=lambda account: account.up is not False)
    found = [*troubled]
    if unheld := [name for name, holder in snapshot.elsewhere.items() if not holder]:
        found.append(not_held(unheld))
    for account in accounts:
        pause()
        found += troubles(account, now=now, pause=pause)
    found.sort(key=lambda trouble: _KINDS.index(trouble.kind))
    grafana_url = site.grafana_url
    parts = template("status.html").generate(
        accounts=accounts,
        troubles=found[:TROUBLES_SHOWN],
        more_troubles=len(found) - TROUBLES_SHOWN,
        serious=[trouble for trouble in found if trouble.kind != "note"],
        listing=listing(snapshot, query, pause),
        query=query,
        elsewhere=by_holder(snapshot),
        telemetry_path=site.telemetry_path.removeprefix("/"),
        dashboards=f"{grafana_url}/d/vod-overview" if grafana_url else f"{REPOSITORY}/tree/main/grafana",
        job_dashboard=partial(job_dashboard, grafana_url) if grafana_url else None,
        ago=partial(ago, now=now),
        remaining=partial(remaining, now=now),
        per_minute=partial(per_minute, now=now),
        stands_still=partial(stands_still, now=now),
        now=now,
    )
    return "".join(paused(parts, pause))
