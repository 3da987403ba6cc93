"""PromQL of the dashboards: pieces that are right with several exporters, Prometheus replicas and restarts.

Two exporters, or a new pod beside an old one, tell the same figure of an account twice, with another `instance`. So
everything is first brought to one value for each of the metric's own labels (`max by`), and summed after that.
"""

from __future__ import annotations

from exporter.metrics.catalog import ACCOUNT_INFO, BUILD_INFO, COUNTED, JOB_STATUS, UP, Metric

TARGET = 'job=~"$job", instance=~"$instance"'
KEY = ("account", "job_id", "definition")
FAILED = 'status="TranscodeFail"'
ENDED = 'status=~"TranscodeSuccess|TranscodeFail"'
FINISHED = 'status=~"TranscodeSuccess|TranscodeFail|TranscodeCancelled"'
UNFINISHED = 'status!~"TranscodeSuccess|TranscodeFail|TranscodeCancelled"'

RATE = "$__rate_interval"
RANGE = "$__range"

_GONE = "15m"  # a figure counts as present for so long after its last scrape, so that a restart is no hole
_GAP = "6h"  # and an outage of so long when a window begins does not make the whole counter count as new
_STEP = "1m"  # how closely the first value in a window is looked for


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """The selector of a metric, narrowed to the variables of the dashboard that it has labels for."""
    scopes = [f'{label}=~"${label}"' for label in ("account", "definition") if label in metric.labels]
    return f"{metric.name}{suffix}{{{', '.join((TARGET, *scopes, *matchers))}}}"


def one(metric: Metric, *matchers: str) -> str:
    """The present value, once."""
    return _once(metric, series(metric, *matchers))


def readable() -> str:
    """1 for each account that one exporter or more can read, as VodAccountUnreachable sees it."""
    return f"max by (job, account) ({series(UP)})"


def latest(metric: Metric, *matchers: str, window: str = RANGE) -> str:
    """The last value in `window`, also of what has left since."""
    return _once(metric, f"last_over_time({series(metric, *matchers)}[{window}])")


def rate(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Growth by second, over a window that fits the scrape interval and the step of the panel."""
    return _once(metric, f"rate({series(metric, *matchers, suffix=suffix)}[{RATE}])", suffix=suffix)


def increase(metric: Metric, *matchers: str, window: str = RANGE, offset: str = "", suffix: str = "") -> str:
    """Growth in `window`, which ended `offset` ago."""
    ended = f" offset {offset}" if offset else ""
    return _once(metric, f"increase({series(metric, *matchers, suffix=suffix)}[{window}]{ended})", suffix=suffix)


def counted(metric: Metric, *matchers: str, window: str) -> str:
    """How often something was counted in `window`: whole numbers, with the first time.

    `increase` is blind for the first time, as a series that comes with its first error begins at 1, and its
    extrapolation makes 1.07 of 1. So this is the counter now less the counter then. Where it was not there then, or was
    lost, it is the counter itself, but only if that has begun since: its account (the exporter, of a metric without)
    was told of then, or in the window before it. Else Prometheus came later than the counter, which may hold years, and
    it is the counter now less what Prometheus first saw.
    """
    selector = series(metric, *matchers)
    now = _once(metric, f"last_over_time({selector}[{_GONE}])")
    then = _once(metric, f"last_over_time({selector}[{_GAP}] offset {window})")
    # Of all exporters together at each moment, or one with an empty state would make all that another counted new.
    first = f"min_over_time({_once(metric, selector)}[{window}:{_STEP}])"
    teller, key = (series(ACCOUNT_INFO), ("account",)) if "account" in metric.labels else (series(BUILD_INFO), ())
    told = f"last_over_time({teller}[{_GAP}] offset {window})"
    target = ", ".join(("job", "instance", *key))
    scrapes = f"max by ({target}) (count_over_time({teller}[{window}]))"
    from_start = f"count_over_time({selector}[{window}]) >= on ({target}) group_left () {scrapes}"
    return (
        f"({now} - {then} >= 0 or {now} and on ({', '.join(key)}) {told}"
        f" or {now} unless {_once(metric, from_start)} or {now} - {first})"
    )


def total(expression: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def share(part: str, whole: str) -> str:
    """`part / whole`; nothing, rather than 0/0, where the whole is nothing."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, metric: Metric, *by: str, window: str | None = None) -> str:
    """The quantile of a histogram in the `window`, or at each step; nothing where nothing was observed."""
    buckets = increase(metric, window=window, suffix="_bucket") if window else rate(metric, suffix="_bucket")
    return f"histogram_quantile({q:g}, {total(buckets, 'le', *by)}) >= 0"


def mean(metric: Metric, *by: str, window: str = RANGE, offset: str = "") -> str:
    """The mean of what a histogram observed in `window`; nothing where nothing was."""
    part, whole = (
        total(increase(metric, window=window, offset=offset, suffix=suffix), *by) for suffix in ("_sum", "_count")
    )
    return share(part, whole)


def running(expression: str) -> str:
    """Of a figure of each job: only that of unfinished jobs."""
    return f"{expression} and on ({', '.join(KEY)}) {one(JOB_STATUS, UNFINISHED)}"


def of_exporters(expression: str) -> str:
    """Of a metric that every target has, such as `up`: only that of targets that told of the exporter lately.

    With `/probe` each account is a target, and the exporter itself one more.
    """
    told = (f"last_over_time({metric.name}{{{TARGET}}}[{_GAP}])" for metric in (BUILD_INFO, ACCOUNT_INFO))
    return f"{expression} and on (job, instance) ({' or '.join(told)})"


def _once(metric: Metric, expression: str, *, suffix: str = "") -> str:
    bucket = ("le",) if suffix == "_bucket" else ()
    # What an exporter counts of itself is its own: two of them made both their calls.
    target = ("job", "instance") if metric in COUNTED else ()
    return f"max by ({', '.join((*target, *metric.labels, *bucket))}) ({expression})"
