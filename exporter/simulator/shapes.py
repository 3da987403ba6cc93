"""The JSON objects of the API for tasks, jobs, outputs and videos, with the quirks of the documented samples."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from exporter.simulator import quirks
from exporter.simulator.plan import ERRORS, Job, Task, Video
from exporter.simulator.state import job_state, task_state
from exporter.simulator.world import World

Json = dict[str, object]

_MISSPELT = ("CompleteAllSucces", "CompeleteAllSucc")
_BUCKET = "http://outin-3f2b9c0d7e6a4158.oss-cn-shanghai.aliyuncs.com"


def timestamp(seconds: int) -> str:
    """A Unix time as the API writes it, such as `2017-01-11T12:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reported_trigger(task: Task) -> str:
    """The trigger that the API reports, without its blanks; `""` if the API leaves it out."""
    return "" if quirks.has("trigger absent", task.id) else task.trigger


def task_json(world: World, task: Task, now: float) -> Json:
    """A task without its jobs."""
    state = task_state(task, now)
    status = state.status
    if status == "CompleteAllSucc" and quirks.has("status misspelt", task.id):
        status = _MISSPELT[int(task.id, 16) % 2]
    shape: Json = {
        "TranscodeTaskId": task.id,
        "VideoId": task.video.id,
        "TaskStatus": status,
        "TranscodeTemplateGroupId": task.group.id,
        "CreationTime": timestamp(world.unix_seconds(task.created)),
    }
    if trigger := reported_trigger(task):
        shape["Trigger"] = f"{trigger} " if quirks.has("trigger with space", task.id) else trigger
    if state.completed is not None:
        shape["CompleteTime"] = timestamp(world.unix_seconds(state.completed))
    elif quirks.has("complete time while processing", task.id):
        shape["CompleteTime"] = shape["CreationTime"]
    return shape


def job_json(world: World, job: Job, video: Video, now: float) -> Json:
    """A job, with its output if it has succeeded."""
    state = job_state(job, now)
    shape: Json = {
        "TranscodeJobId": job.id,
        "TranscodeJobStatus": state.status,
        "TranscodeProgress": str(state.progress) if quirks.has("numbers as strings", job.id) else state.progress,
        "TranscodeTemplateId": job.template.id,
        "Definition": job.template.definition,
        "Priority": job.priority,
        "CreationTime": timestamp(world.unix_seconds(job.created)),
        "InputFileUrl": f"{_BUCKET}/customerTrans/{video.id}/{job.template.id[:8]}-source.mp4",
    }
    if state.completed is not None:
        renamed = state.status == "TranscodeFail" and quirks.has("finish time", job.id)
        shape["FinishTime" if renamed else "CompleteTime"] = timestamp(world.unix_seconds(state.completed))
    elif quirks.has("complete time while processing", job.id):
        shape["CompleteTime"] = shape["CreationTime"]
    if state.status == "TranscodeFail":
        shape |= {"ErrorCode": job.error_code, "ErrorMessage": ERRORS[job.error_code]}
        if quirks.has("zeroed output", job.id):
            shape["OutputFile"] = _zeroed_json(job, video)
    elif quirks.has("error code 200", job.id):
        shape |= {"ErrorCode": "200", "ErrorMessage": "ErrorMessage"}
    if state.status == "TranscodeSuccess":
        shape["OutputFile"] = _output_json(job, video)
    return shape


def _output_url(job: Job, video: Video) -> str:
    return f"{_BUCKET}/{video.id}/{job.id}-{job.template.definition.lower()}.{job.template.format}"


def _zeroed_json(job: Job, video: Video) -> Json:
    return {
        "OutputFileUrl": _output_url(job, video),
        "Encryption": "{}",
        "VideoStreamList": "[]",
        "AudioStreamList": "[]",
        "SubtitleStreamList": "[]",
        "WatermarkIdList": [],
        "Filesize": 0,
        **dict.fromkeys(("Bitrate", "Duration", "Fps", "Height", "Width"), "0"),
    }


def _output_json(job: Job, video: Video) -> Json:
    shape: Json = {
        "OutputFileUrl": _output_url(job, video),
        "VideoStreamList": _as_text(_video_streams(job)),
        "AudioStreamList": _as_text(_audio_streams(job)),
        "SubtitleStreamList": "[]",
        **figures_json(job),
    }
    prefixed = quirks.has("streams prefixed", job.id)
    if prefixed or quirks.has("streams escaped", job.id):
        for name in ("VideoStreamList", "AudioStreamList", "Encryption"):
            if name in shape:
                shape[name] = str(shape[name]).replace('"', '\\"')
    if prefixed:
        shape["AudioStreamList"] = f'"AudioStreamList": "{shape["AudioStreamList"]}'
    return shape


def figures_json(job: Job) -> Json:
    """The values of an output. GetTranscodeTask has them in OutputFile, GetTranscodeSummary in the job."""
    output = job.output
    size = str(output.size) if quirks.has("numbers as strings", job.id) else output.size
    shape: Json = {
        "Format": job.template.format,
        "Filesize": size,
        "Bitrate": str(output.kilobits),
        "Duration": str(output.duration),
    }
    if output.video_bits:
        shape |= {"Fps": str(output.fps), "Width": str(output.width), "Height": str(output.height)}
    if job.template.encryption:
        shape["Encryption"] = _as_text({"EncryptType": job.template.encryption})
    elif not quirks.has("empty encryption absent", job.id):
        shape["Encryption"] = "{}"
    watermarks = list(job.template.watermark_ids)
    if watermarks and quirks.has("watermarks as text", job.id):
        shape["WatermarkIdList"] = _as_text(watermarks)
    elif watermarks and quirks.has("watermarks as text in a list", job.id):
        shape["WatermarkIdList"] = [_as_text(watermarks)]
    elif watermarks or not quirks.has("empty watermarks absent", job.id):
        shape["WatermarkIdList"] = watermarks
    return shape


def _as_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _video_streams(job: Job) -> list[dict[str, str]]:
    output = job.output
    if not output.video_bits:
        return []
    return [
        {
            "AvgFPS": f"{output.fps}.0",
            "Bitrate": f"{output.video_bits / 1000:.3f}",
            "CodecLongName": "H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10",
            "CodecName": "h264",
            "CodecTag": "0x31637661",
            "CodecTagString": "avc1",
            "CodecTimeBase": f"1/{output.fps * 2}",
            "Dar": "9:16" if output.height > output.width else "16:9",
            "Duration": f"{output.duration}.033333",
            "Fps": f"{output.fps}.0",
            "HasBFrames": "2",
            "Height": str(output.height),
            "Index": "0",
            "Lang": "und",
            "Level": "30",
            "PixFmt": "yuv420p",
            "Profile": "High",
            "Sar": "1:1",
            "StartTime": "0.000000",
            "Timebase": "1/15360",
            "Width": str(output.width),
        }
    ]


def _audio_streams(job: Job) -> list[dict[str, str]]:
    output = job.output
    mp3 = job.template.format == "mp3"
    return [
        {
            "Bitrate": f"{output.audio_bits / 1000:.3f}",
            "ChannelLayout": "stereo",
            "Channels": "2",
            "CodecLongName": "MP3 (MPEG audio layer 3)" if mp3 else "AAC (Advanced Audio Coding)",
            "CodecName": "mp3" if mp3 else "aac",
            "CodecTag": "0x6134706d",
            "CodecTagString": "mp4a",
            "CodecTimeBase": "1/44100",
            "Duration": f"{output.duration}.015533",
            "Index": "1" if output.video_bits else "0",
            "Lang": "und",
            "SampleFmt": "fltp",
            "Samplerate": "44100",
            "StartTime": "-0.046440",
            "Timebase": "1/44100",
        }
    ]


def video_json(world: World, video: Video) -> Json:
    """A video as GetVideoList lists it."""
    return {
        "VideoId": video.id,
        "Title": f"{'Episode' if video.sound else 'Clip'} {video.id[:6]}",
        "Status": world.shelves.status(video.id),
        "CreationTime": timestamp(world.unix_seconds(video.created)),
        "Duration": float(video.duration),
        "Size": video.duration * (24_000 if video.sound else 1_000_000),
    }
