"""Whose fault a failure is: the cause of each documented error code.

VOD documents `ErrorCode` of GetTranscodeTask by one example. Media Processing (MPS), which transcodes for VOD,
documents the codes: https://www.alibabacloud.com/help/doc-detail/29254.htm (common errors, job errors, queue errors)
and https://www.alibabacloud.com/help/doc-detail/29226.htm (SubmitJobs, transcoding error codes). `docs/metrics.md` has
the same table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from exporter.model import UNKNOWN

SOURCE, CONFIGURATION, PERMISSION, SERVICE = "source", "configuration", "permission", "service"
CAUSES = (SOURCE, CONFIGURATION, PERMISSION, SERVICE, UNKNOWN)

CODES: Mapping[str, str] = MappingProxyType(
    {
        "InvalidParameter.MergeFileNoVideoOrAudio": SOURCE,
        "InvalidParameter.NoAudioStream": SOURCE,
        "InvalidParameter.ResourceContentBad": SOURCE,
        "InvalidParameter.ResourceDeleted": SOURCE,
        "InvalidParameter.ResourceNotFound": SOURCE,
        "InvalidParameter.ResourceNotSupported": SOURCE,
        "NotSupportedJob.DurationIsLessThanHalfAnHour": SOURCE,
        "DataEncryption.CiphertextNotExist": CONFIGURATION,
        "DataEncryption.ContainerFormatNotSupported": CONFIGURATION,
        "InvalidParameter": CONFIGURATION,
        "InvalidParameter.BucketNameInvalid": CONFIGURATION,
        "InvalidParameter.DigiWatermark": CONFIGURATION,
        "InvalidParameter.EmptyValue": CONFIGURATION,
        "InvalidParameter.Format": CONFIGURATION,
        "InvalidParameter.InvalidBase64Format": CONFIGURATION,
        "InvalidParameter.InvalidDigitalWaterMarkType": CONFIGURATION,
        "InvalidParameter.InvalidState": CONFIGURATION,
        "InvalidParameter.JsonArrayFormatInvalid": CONFIGURATION,
        "InvalidParameter.JsonFormatInvalid": CONFIGURATION,
        "InvalidParameter.JsonObjectFormatInvalid": CONFIGURATION,
        "InvalidParameter.ListSizeExceed": CONFIGURATION,
        "InvalidParameter.LocationInvalid": CONFIGURATION,
        "InvalidParameter.NotSupported": CONFIGURATION,
        "InvalidParameter.NullValue": CONFIGURATION,
        "InvalidParameter.NumberFormatInvalid": CONFIGURATION,
        "InvalidParameter.ObjectKeyInvalid": CONFIGURATION,
        "InvalidParameter.OutOfRange": CONFIGURATION,
        "InvalidParameter.ServiceNotSupportRegion": CONFIGURATION,
        "InvalidParameter.TemplateNotFound": CONFIGURATION,
        "InvalidParameter.TemplateNotSupported": CONFIGURATION,
        "InvalidParameter.UUIDFormatInvalid": CONFIGURATION,
        "InvalidParameter.WaterMarkFileFormatNotSupported": CONFIGURATION,
        "NotSupportedJob.AnalysisJobNotSupported": CONFIGURATION,
        "NotSupportedJob.ContainerFormatNotSupported": CONFIGURATION,
        "NotSupportedJob.SystemTemplateJobNotSupported": CONFIGURATION,
        "ParameterNotBoolean": CONFIGURATION,
        "Parameters.NotSupported": CONFIGURATION,
        "AccessDenied": PERMISSION,
        "EntityNotExist.Role": PERMISSION,
        "InvalidIdentity.ServiceDisabled": PERMISSION,
        "PermissionDenied.ResourceAccess": PERMISSION,
        "PermissionDenied.ResourceQuotaExceed": PERMISSION,
        "InternalError": SERVICE,
        "Throttling": SERVICE,
    }
)
"""The documented codes. All others are `unknown`."""


def of_job(error_code: str) -> str:
    """The cause of a failed job: one of `CAUSES`."""
    return CODES.get(error_code, UNKNOWN)


def of_task(error_codes: Collection[str]) -> str:
    """The cause of a failed task, from the error codes of its jobs: the first of `CAUSES` that one of the codes has.

    A task without jobs had a source that VOD could not read: see the remark on TaskStatus in
    https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-gettranscodetask.
    """
    return min(map(of_job, error_codes), key=CAUSES.index, default=SOURCE)
