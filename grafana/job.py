"""The dashboard Job: the details of one job. Tables and exemplars of other dashboards link to it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import (
    JOB_COMPLETED,
    JOB_CREATED,
    JOB_INFO,
    JOB_OUTPUT_BITRATE,
    JOB_OUTPUT_DURATION,
    JOB_OUTPUT_FPS,
    JOB_OUTPUT_HEIGHT,
    JOB_OUTPUT_INFO,
    JOB_OUTPUT_SIZE,
    JOB_OUTPUT_WIDTH,
    JOB_PROGRESS,
    JOB_STATUS,
    JOB_STREAM_BITRATE,
    OUTPUT_BITRATE,
    OUTPUT_SIZE,
    Metric,
)
from grafana.frame import account, dashboard, section, text
from grafana.panels import NEUTRAL, STATUS_COLORS, Panel, Query, Show, Steps, Text, big, lines, ranking, states
from grafana.queries import KEY, RANGE, RATE, TARGET, share
from grafana.tables import Column, rows

_CHOOSE = "Choose a job above"
_WITH_JOB = ", ".join((TARGET, 'account=~"$account"', 'job_id="$job_id"'))


def make() -> Dashboard:
    made = dashboard(
        "vod-job",
        "VOD transcoding / Job",
        "One job: its progress, its result, and whether these are usual.",
        since="now-6h",
        refresh="30s",
        variables=(account(), text("job_id", "Transcode job", "", "The id of the job (JobId)")),
    )
    section(made, "How is it?", *_progress())
    section(made, "What came of it?", *_output())
    return made


def _progress() -> tuple[Panel, ...]:
    return (
        _status(),
        _figure("How far is it?", "Progress from 0 to 100 %.", "percentunit", _latest(JOB_PROGRESS), decimals=0),
        _age(),
        _figure("When was it created?", "CreationTime.", "dateTimeAsLocal", f"1000 * {_latest(JOB_CREATED)}"),
        _completed(),
        _states(),
        _progress_over_time(),
        _belongs_to(),
    )


def _status() -> Panel:
    last = f"max by (status) (timestamp({_of_job(JOB_STATUS)}))"
    return big(
        Text(
            title="What is its status?",
            description="The last status in the selected time range. A finished job has series for "
            "series.retention (15 minutes by default).",
            unit="short",
            no_value=_CHOOSE,
        ),
        Query(f"topk(1, max_over_time(({last})[{RANGE}:1m]) or {last})", "{{status}}"),
        show=Show.NAME,
        colors=STATUS_COLORS,
        width=6,
    )


def _age() -> Panel:
    return _figure(
        "How old is it, or how long did it take?",
        "From creation to completion, or until now if it is not complete. Yellow from one hour, red from two.",
        "s",
        f"({_latest(JOB_COMPLETED)} or vector(time())) - {_latest(JOB_CREATED)}",
        steps=(("green", None), ("yellow", 3600), ("red", 7200)),
    )


def _completed() -> Panel:
    return _figure(
        "When was it complete?",
        "CompleteTime, or FinishTime if the job failed.",
        "dateTimeAsLocal",
        f"1000 * {_latest(JOB_COMPLETED)}",
        no_value="Not complete",
    )


def _states() -> Panel:
    return states(
        Text(
            title="Which states did it go through?",
            description="Blue: waiting, purple: transcoding, green: finished, red: failed. Empty before the "
            "exporter found the job and after its series ended.",
            unit="short",
            no_value=_CHOOSE,
        ),
        Query(f"max by (status) ({_of_job(JOB_STATUS)})", "{{status}}"),
        width=12,
    )


def _progress_over_time() -> Panel:
    return lines(
        Text(
            title="Did its progress stop?",
            description="A level line means that the job makes no progress.",
            unit="percentunit",
            no_value=_CHOOSE,
        ),
        Query(f"max({_of_job(JOB_PROGRESS)})", "progress"),
        width=12,
        height=5,
    ).max(1)


def _belongs_to() -> Panel:
    return rows(
        Text(
            title="Which task and video does it belong to?",
            description="Task, video, template and priority of the job. The status page of the exporter shows "
            "the URLs of its files, and the error message of VOD if the job failed.",
            unit="short",
            no_value=_CHOOSE,
        ),
        {
            "job_id": "Job",
            "account": "Account",
            "definition": "Definition",
            "video_id": "Video",
            "task_id": "Task",
            "template_id": "Template",
            "priority": "Priority",
        },
        Column(
            name="Progress per minute",
            expression=f"60 * max by ({_labels(JOB_INFO)}) (deriv({_of_job(JOB_PROGRESS)}[{RATE}])"
            f" * on ({', '.join(KEY)}) group_left ({_labels(JOB_INFO, KEY)}) {_one(JOB_INFO)})",
            unit="percentunit",
            decimals=1,
        ),
        details=f"max by ({_labels(JOB_INFO)}) (last_over_time({_of_job(JOB_INFO)}[{RANGE}]))",
        sort="Definition",
        height=4,
        step="5m",
    )


def _output() -> tuple[Panel, ...]:
    return (
        _figure("What is its bitrate?", "Average of the output file.", "bps", _latest(JOB_OUTPUT_BITRATE), output=True),
        _figure("How large is it?", "Size of the output file.", "bytes", _latest(JOB_OUTPUT_SIZE), output=True),
        _figure("How long is it?", "Length of the output file.", "s", _latest(JOB_OUTPUT_DURATION), output=True),
        _figure("How many frames a second?", "Frame rate.", "none", _latest(JOB_OUTPUT_FPS), decimals=2, output=True),
        _figure("How wide is it?", "Width of the video.", "pixel", _latest(JOB_OUTPUT_WIDTH), decimals=0, output=True),
        _figure(
            "How high is it?", "Height of the video.", "pixel", _latest(JOB_OUTPUT_HEIGHT), decimals=0, output=True
        ),
        _file(),
        _streams(),
        _compared(),
    )


def _file() -> Panel:
    return rows(
        Text(
            title="What is in the file?",
            description="Container, encryption and codecs of the output file.",
            unit="short",
            no_value="No output file yet",
        ),
        {
            "format": "Format",
            "encryption": "Encryption",
            "video_codec": "Video codec",
            "audio_codec": "Audio codec",
        },
        Column(
            name="Files",
            expression=f"count by (format, encryption, video_codec, audio_codec) ({_latest(JOB_OUTPUT_INFO)})",
            unit="short",
        ),
        Column(
            name="Bitrate",
            expression=f"sum by (format, encryption, video_codec, audio_codec) ({_latest(JOB_OUTPUT_INFO)}"
            f" * on ({', '.join(KEY)}) group_left () {_latest(JOB_OUTPUT_BITRATE)})",
            unit="bps",
        ),
        sort="Format",
        width=8,
        height=5,
    )


def _streams() -> Panel:
    return ranking(
        Text(
            title="What is the bitrate of each stream?",
            description="Bitrate of each video and audio stream of the output file.",
            unit="bps",
            no_value="No output file yet",
        ),
        Query(_latest(JOB_STREAM_BITRATE), "{{kind}} {{index}}"),
        width=8,
        height=5,
    )


def _compared() -> Panel:
    return big(
        Text(
            title="Is it usual for its definition?",
            description="Bitrate and size of the file, divided by the mean of its definition in the selected "
            "time range: 100 % equals the mean. Yellow below 50 % and above 200 %; a long source "
            "makes a large file.",
            unit="percentunit",
            no_value="Nothing to compare yet",
            steps=(("yellow", None), ("green", 0.5), ("yellow", 2)),
            decimals=0,
        ),
        Query(_usual(JOB_OUTPUT_BITRATE, OUTPUT_BITRATE), "bitrate"),
        Query(_usual(JOB_OUTPUT_SIZE, OUTPUT_SIZE), "size"),
        show=Show.VALUE_AND_NAME,
        width=8,
        height=5,
    )


def _figure(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    steps: Steps = NEUTRAL,
    decimals: int | None = None,
    no_value: str = _CHOOSE,
    output: bool = False,
) -> Panel:
    text = Text(
        title=title,
        description=f"{description} Empty until VOD reports an output." if output else description,
        unit=unit,
        no_value="No output yet" if output else no_value,
        steps=steps,
        decimals=decimals,
    )
    return big(text, Query(expression), width=4 if output else 6 if title.startswith("How far") else 4)


def _usual(job: Metric, histogram: Metric) -> str:
    grown = (
        f'sum by (account, definition) (increase({histogram.name}{suffix}{{{TARGET}, account=~"$account"}}[{RANGE}]))'
        for suffix in ("_sum", "_count")
    )
    return f"{_latest(job)} / on (account, definition) group_left () ({share(*grown)})"


def _of_job(metric: Metric) -> str:
    return f"{metric.name}{{{_WITH_JOB}}}"


def _one(metric: Metric) -> str:
    return f"max by ({_labels(metric)}) ({_of_job(metric)})"


def _latest(metric: Metric) -> str:
    return f"max by ({_labels(metric)}) (last_over_time({_of_job(metric)}[{RANGE}]))"


def _labels(metric: Metric, without: tuple[str, ...] = ()) -> str:
    return ", ".join(label for label in metric.labels if label not in without)
