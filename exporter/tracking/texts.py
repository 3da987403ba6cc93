"""Which texts of a job are kept: those that the status page can show. VOD may send thousands of bytes for each job."""

from __future__ import annotations

from dataclasses import replace

from exporter.model import Job


def with_shown_texts(job: Job) -> Job:
    """The job with the texts that the status page shows: the error and the source if it failed, else the output."""
    failed = job.status == "TranscodeFail"
    output = job.output
    if output is not None and output.url and (failed or not job.finished):
        output = replace(output, url="")
    if output is not job.output or (not failed and (job.input_url or job.error_message)):
        return replace(
            job,
            input_url=job.input_url if failed else "",
            error_message=job.error_message if failed else "",
            output=output,
        )
    return job


def without_texts(job: Job) -> Job:
    """The job as it is counted, without what only the status page and its own series show."""
    output = job.output
    if output is not None and (output.url or output.streams or output.watermark_ids):
        output = replace(output, url="", streams=(), watermark_ids=())
    if output is job.output and not job.input_url and not job.error_message:
        return job
    return replace(job, input_url="", error_message="", output=output)
