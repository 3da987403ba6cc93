"""PromQL for the dashboards. The queries stay correct with several exporters, Prometheus replicas and restarts.

Two exporters, or a new and an old pod, export the same value of an account with different `instance` labels. So each
query first takes the maximum per combination of the metric's own labels (`max by`), and sums after that.
"""

from __future__ import annotations

from exporter.metrics.catalog import ACCOUNT_INFO, BUILD_INFO, COUNTED, JOB_DURATION, JOB_STATUS, UP, Metric

TARGET = 'job=~"$job", instance=~"$instance"'
KEY = ("account", "job_id", "definition")
SUCCEEDED = 'status="TranscodeSuccess"'
FAILED = 'status="TranscodeFail"'
ENDED = 'status=~"TranscodeSuccess|TranscodeFail"'
FINISHED = 'status=~"TranscodeSuccess|TranscodeFail|TranscodeCancelled"'
UNFINISHED = 'status!~"TranscodeSuccess|TranscodeFail|TranscodeCancelled"'

RATE = "$__rate_interval"
RANGE = "$__range"
NOTHING = -1e9
"""The value of a query that has nothing to show, although the exporter answers. Panels show a text in its place."""

_GONE = "15m"  # a series counts as present for this time after its last sample, so that a restart makes no gap
_GAP = "6h"  # an outage of up to this time at the start of a window does not make the whole counter count as new
_STEP = "1m"  # resolution of the search for the first value in a window
STEPS = {RANGE: "$__interval", "1d": "5m"}
"""Resolutions of long windows, so that a query reads about a thousand values of a series."""


def series(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """The selector of a metric, with matchers for the dashboard variables that are labels of the metric.

    The duration of jobs is that of the successful ones: failures are often fast, and would make latency look better.
    """
    scopes = [f'{label}=~"${label}"' for label in ("account", "definition") if label in metric.labels]
    if metric == JOB_DURATION:
        scopes.append(SUCCEEDED)
    return f"{metric.name}{suffix}{{{', '.join((TARGET, *scopes, *matchers))}}}"


def one(metric: Metric, *matchers: str) -> str:
    """The current value, once for all instances."""
    return _once(metric, series(metric, *matchers))


def readable() -> str:
    """1 for each account that one exporter or more can read, as VodAccountUnreachable sees it."""
    return f"max by (job, account) ({series(UP)})"


def now(expression: str, nothing: float = NOTHING) -> str:
    """The value while an exporter answers, `nothing` if it has none, and no data if no exporter answers.

    Without this, windows keep their values after the exporter has died, and an empty result looks like a good one.
    """
    return f"({expression}) and on () {_answering()} or on () {nothing:.0f} * {_answering()}"


def answering(expression: str) -> str:
    """The values while an exporter answers."""
    return f"({expression}) and on () {_answering()}"


def drawn(expression: str, metric: Metric, *matchers: str, by: str) -> str:
    """Without the series of `by` that are 0 in the whole range: Grafana draws them over the one below them."""
    most = f"max by ({by}) (max_over_time({series(metric, *matchers)}[{RANGE}] @ end()))"
    return f"{expression} and on ({by}) {most} > 0"


def frequent(metric: Metric, *matchers: str, by: str, limit: int = 7) -> str:
    """The values of `by` that a counter counted the most in the range, at each point in time."""
    return f"topk({limit}, {total(grown(metric, *matchers), by)})"


def grown(metric: Metric, *matchers: str) -> str:
    """What a counter counted in the whole range, at each point in time. It only decides what is drawn."""
    selector = series(metric, *matchers)
    window = f"{selector}[{RANGE}] @ end()"
    return _once(metric, f"last_over_time({window}) - min_over_time({window})")


def latest(metric: Metric, *matchers: str, window: str = RANGE) -> str:
    """The last value in `window`, even if the series ended since."""
    return _once(metric, f"last_over_time({series(metric, *matchers)}[{window}])")


def rate(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Increase per second, over a window that fits the scrape interval and the step of the panel."""
    return _once(metric, f"rate({series(metric, *matchers, suffix=suffix)}[{RATE}])", suffix=suffix)


def increase(metric: Metric, *matchers: str, window: str = RANGE, offset: str = "", suffix: str = "") -> str:
    """Increase in `window`, which ended `offset` ago."""
    return increased(metric, series(metric, *matchers, suffix=suffix), window=window, offset=offset, suffix=suffix)


def increased(metric: Metric, selector: str, *, window: str, offset: str = "", suffix: str = "") -> str:
    """As `increase`, of the series that `selector` finds.

    The maximum over instances comes before the increase: an account may move to another replica, which goes on where
    the old one stopped, so each replica has only a part of the increase. The short windows of graphs have too few
    scrapes for that. There a takeover is a gap of one window.
    """
    ended = f" offset {offset}" if offset else ""
    if metric in COUNTED or window == RATE:
        return _once(metric, f"increase({selector}[{window}]{ended})", suffix=suffix)
    kept = _once(metric, f"last_over_time({selector}[{_GONE}])", suffix=suffix)
    return f"increase({kept}[{window}:{STEPS.get(window, _STEP)}]{ended})"


def counted(metric: Metric, *matchers: str, window: str) -> str:
    """The increase of a counter in `window` as a whole number, including the first increment.

    The extrapolation of `increase` returns 1.07 for 1, and it misses the first increment if Prometheus did not scrape
    the new series while the exporter showed it at 0. So this query subtracts the value at the start of the window
    from the value now. If the series did not exist at the start, or the counter was reset, the result is the value
    now. That is correct only if the counter is new, which is so if its account already had series before it. (A
    metric without `account` is compared with the series of the exporter.) Otherwise Prometheus found an old counter,
    which may hold years of counts, and the result is the value now minus the first value that Prometheus stored.
    """
    selector = series(metric, *matchers)
    now = _once(metric, f"last_over_time({selector}[{_GONE}])")
    then = _once(metric, f"last_over_time({selector}[{_GAP}] offset {window})")
    # Combine all exporters at each point in time. Otherwise an exporter with an empty state would lower the
    # minimum, and all counts of the other exporter would seem new.
    first = f"min_over_time({_once(metric, selector)}[{window}:{_STEP}])"
    owner, key = (series(ACCOUNT_INFO), ("account",)) if "account" in metric.labels else (series(BUILD_INFO), ())
    known = f"last_over_time({owner}[{_GAP}] offset {window})"
    target = ", ".join(("job", "instance", *key))
    scrapes = f"max by ({target}) (count_over_time({owner}[{window}]))"
    from_start = f"count_over_time({selector}[{window}]) >= on ({target}) group_left () {scrapes}"
    return (
        f"({now} - {then} >= 0 or {now} and on ({', '.join(key)}) {known}"
        f" or {now} unless {_once(metric, from_start)} or {now} - {first})"
    )


def total(expression: str, *by: str) -> str:
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def share(part: str, whole: str) -> str:
    """`part / whole`; no result instead of 0/0 if `whole` is 0."""
    return f"{part} / ({whole} > 0)"


def quantile(q: float, metric: Metric, *by: str, window: str | None = None) -> str:
    """The quantile of a histogram in `window`, or at each step; no result if nothing was observed."""
    buckets = increase(metric, window=window, suffix="_bucket") if window else rate(metric, suffix="_bucket")
    return f"histogram_quantile({q:g}, {total(buckets, 'le', *by)}) >= 0"


def mean(metric: Metric, *by: str, window: str = RANGE, offset: str = "") -> str:
    """The mean of the observations of a histogram in `window`; no result if there are none."""
    part, whole = (
        total(increase(metric, window=window, offset=offset, suffix=suffix), *by) for suffix in ("_sum", "_count")
    )
    return share(part, whole)


def running(expression: str) -> str:
    """Restricts a per-job expression to unfinished jobs."""
    return f"{expression} and on ({', '.join(KEY)}) {one(JOB_STATUS, UNFINISHED)}"


def of_job(metric: Metric) -> str:
    """The selector of the job that the dashboard Job shows."""
    return f'{metric.name}{{{TARGET}, account=~"$account", job_id="$job_id"}}'


def last_of_job(metric: Metric) -> str:
    """Its last value in the range."""
    return _once(metric, f"last_over_time({of_job(metric)}[{RANGE}])")


def of_exporters(expression: str) -> str:
    """Restricts a metric that every target has, such as `up`, to targets that recently were exporters.

    With `/probe` each account is a target, in addition to the exporter itself. The scrape job decides, not
    the instance: metric_relabel_configs may make the instance of `vod_*` constant, and cannot change that of `up`.
    """
    present = (f"last_over_time({metric.name}{{{TARGET}}}[{_GAP}])" for metric in (BUILD_INFO, ACCOUNT_INFO))
    return f"{expression} and on (job) ({' or '.join(present)})"


def newest(expression: str, limit: int) -> str:
    """The `limit` highest values; tables show no more rows."""
    return f"topk({limit}, {expression})"


def of_jobs(expression: str, jobs: str) -> str:
    """Restricts a per-job expression to these jobs."""
    return f"{expression} and on ({', '.join(KEY)}) {jobs}"


def _answering() -> str:
    return f"max({series(ACCOUNT_INFO)})"


def _once(metric: Metric, expression: str, *, suffix: str = "") -> str:
    bucket = ("le",) if suffix == "_bucket" else ()
    # Two exporters each count their own calls, so these series are summed over instances.
    target = ("job", "instance") if metric in COUNTED else ()
    return f"max by ({', '.join((*target, *metric.labels, *bucket))}) ({expression})"
