"""The plan of a video and its task, drawn once from seeded random numbers. All times are world seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

from exporter.simulator.scenario import Scenario
from exporter.simulator.templates import GRADES, GROUPS, Template, TemplateGroup

ERRORS = {
    "InvalidParameter.ResourceContentBad": "The resource operated InputFile is bad",
    "InvalidParameter.ResourceNotFound": "The resource operated InputFile cannot be found",
    "InternalError": "The transcode job failed because of an internal error",
}


@dataclass(frozen=True, slots=True)
class Video:
    """A source. If `asynchronous`, its status is `Normal` while its first task runs. If `bad`, tasks fail without jobs.

    `sound` means audio without video. `duration` is in seconds.
    """

    id: str
    created: float
    duration: int
    fps: int
    sound: bool
    portrait: bool
    asynchronous: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class Output:
    """An output file. `kilobits` is its average bitrate in kbit/s.

    `video_bits` and `audio_bits` are the bitrates of the streams in bit/s, 0 if there is no such stream.
    """

    kilobits: int
    size: int
    duration: int
    fps: int
    width: int
    height: int
    video_bits: int
    audio_bits: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job that waits until `starts` and ends at `ends`, with an `error_code` if it fails at `reached` percent.

    If it is `skipped`, it ends in a status that VOD does not document.

    Its progress stops at `stops`, which is the same as `ends`. Only a stuck job stays at `reached` percent, and its
    `ends` is infinite.
    """

    id: str
    template: Template
    priority: str
    created: float
    starts: float
    stops: float
    ends: float
    reached: int
    error_code: str
    output: Output
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task. `jobs` is empty if the source is bad. `ends` is infinite if a job is stuck."""

    id: str
    video: Video
    trigger: str
    group: TemplateGroup
    created: float
    ends: float
    jobs: tuple[Job, ...]


DEFAULT_PRIORITY = "6"
_OTHER_PRIORITIES = ("1", "2", "3", "4", "5", "7", "8", "9", "10")


def hexadecimal(rng: Random) -> str:
    """A random id of 32 hexadecimal digits, as in VOD."""
    return f"{rng.getrandbits(128):032x}"


def plan_video(rng: Random, *, uploaded: float, scenario: Scenario) -> Video:
    """A random video. `uploaded` is in world seconds; the video is created up to a minute before."""
    return Video(
        id=hexadecimal(rng),
        created=uploaded - rng.uniform(5, 60),
        duration=int(min(7200, max(10, rng.lognormvariate(5.7, 0.9)))),
        fps=rng.choice((24, 25, 25, 30, 30, 50, 60)),
        sound=rng.random() < 0.08,
        portrait=rng.random() < 0.25,
        asynchronous=rng.random() < scenario.asynchronous_share,
        bad=rng.random() < scenario.bad_source_share,
    )


def plan_group(rng: Random, video: Video) -> TemplateGroup:
    """A random template group that fits the video: a video with sound only gets a group for sound."""
    groups = [group for group in GROUPS if group.sound == video.sound]
    return rng.choices(groups, [group.weight for group in groups])[0]


def plan_priority(rng: Random, scenario: Scenario) -> str:
    """The priority of all jobs of a task."""
    return rng.choice(_OTHER_PRIORITIES) if _chance(rng, scenario.priority_share) else DEFAULT_PRIORITY


def plan_task(
    rng: Random,
    *,
    video: Video,
    group: TemplateGroup,
    trigger: str,
    created: float,
    scenario: Scenario,
    priority: str = DEFAULT_PRIORITY,
) -> Task:
    """A task with one job for each template of the group. `created` is in world seconds. A bad video has no jobs."""
    task_id = hexadecimal(rng)
    if video.bad:
        ends = created + rng.uniform(3, 30) * scenario.duration_scale
        return Task(task_id, video, trigger, group, created, ends, ())
    all_fail = rng.random() < scenario.task_failure_share
    jobs = []
    for template in group.templates:
        fails = all_fail or rng.random() < scenario.job_failure_share
        jobs.append(_plan_job(rng, video, template, created, scenario, fails=fails, priority=priority))
    return Task(task_id, video, trigger, group, created, max(job.ends for job in jobs), tuple(jobs))


def _plan_job(
    rng: Random, video: Video, template: Template, created: float, scenario: Scenario, *, fails: bool, priority: str
) -> Job:
    sticks = not fails and _chance(rng, scenario.stuck_share)
    reached = rng.randint(5, 95) if fails or sticks else 100
    seconds = min(480.0, max(60.0, video.duration * GRADES[template.definition].effort * rng.uniform(0.8, 1.2)))
    starts = created + rng.uniform(0.5, 30) * scenario.duration_scale
    stops = starts + seconds * reached / 100 * scenario.duration_scale
    return Job(
        id=hexadecimal(rng),
        template=template,
        priority=priority,
        created=created,
        starts=starts,
        stops=stops,
        ends=math.inf if sticks else stops,
        reached=reached,
        error_code=rng.choice(tuple(ERRORS)) if fails else "",
        output=_plan_output(rng, video, template, scenario),
        skipped=not fails and not sticks and _chance(rng, scenario.skipped_share),
    )


def _plan_output(rng: Random, video: Video, template: Template, scenario: Scenario) -> Output:
    grade = GRADES[template.definition]
    kilobits = round(grade.kilobits * rng.uniform(0.8, 1.15))
    size = int(kilobits * 125 * video.duration * rng.uniform(1.002, 1.02))  # the container adds up to 2 %
    # The bitrates of the streams are together 98.5 % of the bitrate of the file, which has a container too.
    audio_bits = kilobits * 985 if grade.height == 0 else rng.randint(56_000, 66_000)
    video_bits = kilobits * 985 - audio_bits if grade.height else 0
    height, width = grade.height, round(grade.height * 8 / 9) * 2  # 16:9, as an even number
    if video.portrait:
        height, width = width, height
    output = Output(
        kilobits=kilobits,
        size=size,
        duration=video.duration,
        fps=video.fps if video_bits else 0,
        width=width,
        height=height,
        video_bits=video_bits,
        audio_bits=audio_bits,
    )
    return _suspicious(rng, output) if _chance(rng, scenario.suspicious_output_share) else output


def _suspicious(rng: Random, output: Output) -> Output:
    """The output with no bytes, with half its length, or with four times or a tenth of its bitrate."""
    kind = rng.randrange(4)
    if kind == 0:
        return replace(output, size=0)
    if kind == 1:
        return replace(output, kilobits=output.kilobits * 4)
    if kind == 2:
        return replace(output, duration=output.duration // 2, size=output.size // 2)
    return replace(
        output,
        kilobits=output.kilobits // 10,
        size=output.size // 10,
        video_bits=output.video_bits // 10,
        audio_bits=output.audio_bits // 10,
    )


def _chance(rng: Random, share: float) -> bool:
    """True with probability `share`. A share of 0 draws no number, so the random numbers after it stay the same."""
    return share > 0 and rng.random() < share
