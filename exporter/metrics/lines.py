"""Writes rows as the sample lines of the exposition, byte for byte as `prometheus_client` does, but faster.

`prometheus_client` makes an object for each sample, which is too slow for thousands of jobs. Both formats have the same
sample lines, except that some lines of OpenMetrics end with an exemplar. The lines above a family and the end of the
exposition differ; `exposition` writes these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from operator import itemgetter

from prometheus_client.core import Exemplar
from prometheus_client.utils import floatToGoString

from exporter.metrics.catalog import Metric
from exporter.metrics.rows import Exemplified, Row
from exporter.snapshot import HistogramView

_number: Callable[[float], str] = floatToGoString
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def lines(rows: Iterable[Row], *, exemplars: bool = False) -> dict[str, bytes]:
    """Returns the lines of these rows by metric name; with `exemplars`, those of OpenMetrics.

    >>> from exporter.metrics.catalog import UP
    >>> lines([(UP, ("prod",), True)])
    {'vod_up': b'vod_up{account="prod"} 1.0\\n'}
    """
    texts: dict[str, list[str]] = {}
    previous: Sequence[str] = ()
    escaped: Sequence[str] = ()
    for metric, labels, value in rows:
        if value is None:
            continue
        if labels is not previous:  # many rows of a job share one tuple of labels; escape it once
            previous, escaped = labels, _escaped(labels)
        name = metric.name
        if isinstance(value, (Exemplified, HistogramView)):
            text = "".join(_total(metric, escaped, value, exemplars=exemplars))
        else:
            template, ordered = _templates.get(name) or _template_of(metric)
            text = template % (*ordered(escaped), _short(value))
        if name in texts:
            texts[name].append(text)
        else:
            texts[name] = [text]
    return {name: "".join(several).encode() for name, several in texts.items()}


def _short(value: float) -> str:
    """As `_number`, but faster. `_number` differs from `repr` only for large numbers and infinities."""
    return repr(float(value)) if -1e6 < value < 1e6 else _number(value)


def _total(
    metric: Metric, labels: Sequence[str], value: HistogramView | Exemplified, *, exemplars: bool
) -> Iterator[str]:
    number, shown = value if isinstance(value, Exemplified) else Exemplified(value, {})
    texts = {bucket: _exemplar(exemplar) for bucket, exemplar in shown.items()} if exemplars else {}
    if isinstance(number, HistogramView):
        yield from _histogram(metric, labels, number, texts)
    else:
        template, ordered = _template(metric.name, metric.labels)
        yield template % (*ordered(labels), _number(number) + texts.get(0, ""))


def _histogram(
    metric: Metric, labels: Sequence[str], histogram: HistogramView, exemplars: Mapping[int, str]
) -> Iterator[str]:
    template, ordered = _template(f"{metric.name}_bucket", (*metric.labels, "le"))
    bounds = _bounds(histogram.bounds)
    for bucket, (bound, total) in enumerate(zip(bounds, accumulate(histogram.counts), strict=True)):
        yield template % (*ordered((*labels, bound)), _short(total) + exemplars.get(bucket, ""))
    if float(bounds[0]) >= 0:  # `prometheus_client` writes no _count and _sum if a bound is negative
        for suffix, value in (("_count", float(sum(histogram.counts))), ("_sum", histogram.sum)):
            template, ordered = _template(metric.name + suffix, metric.labels)
            yield template % (*ordered(labels), _short(value))


@lru_cache  # the histograms of all accounts share a few tuples of bounds
def _bounds(bounds: tuple[float, ...]) -> tuple[str, ...]:
    return (*map(_number, bounds), "+Inf")


def _exemplar(exemplar: Exemplar) -> str:
    """The end of a line with an exemplar. Nothing is escaped, because `rows` leaves out ids that need it."""
    labels = ",".join(f'{name}="{value}"' for name, value in sorted(exemplar.labels.items()))
    return f" # {{{labels}}} {_number(exemplar.value)} {exemplar.timestamp}"


_Template = tuple[str, Callable[[Sequence[str]], tuple[str, ...]]]
_templates: dict[str, _Template] = {}  # by metric name; the catalog bounds its size


def _template_of(metric: Metric) -> _Template:
    return _templates.setdefault(metric.name, _template(metric.name, metric.labels))


@cache  # the catalog bounds the number of arguments
def _template(name: str, labels: tuple[str, ...]) -> _Template:
    """A format string for a line, and a function that sorts label values by label name, as `prometheus_client` does."""
    order = sorted(range(len(labels)), key=labels.__getitem__)
    inside = ",".join(f'{labels[index]}="%s"' for index in order)
    ordered = itemgetter(*order) if len(order) > 1 else tuple
    return f"{name}{{{inside}}} %s\n", ordered


def _escaped(labels: Sequence[str]) -> Sequence[str]:
    together = "".join(labels)
    if "\\" in together or '"' in together or "\n" in together:
        return [label.translate(_ESCAPES) for label in labels]
    return labels
