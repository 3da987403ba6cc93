"""The official provider chain of Alibaba Cloud: environment, OIDC role, profile files, ECS RAM role, credentials URI.

The providers are those of the package `alibabacloud_credentials`, in the order of its default chain. They are asked one
by one here, so that an error can name the fault of each: https://github.com/aliyun/credentials-python
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from exporter import reading
from exporter.deadline import Deadline
from exporter.errors import CredentialsError, ExporterError
from exporter.jsontext import JsonError, decode
from exporter.keys import SecretText
from exporter.vod.credentials import Keys
from exporter.vod.session import Session
from exporter.vod.transport import exchange

_RENEW_SECONDS = 3600.0
# A provider opens its files itself, and a disk that is away does not answer. Its requests end within 15 seconds.
_PROVIDER_SECONDS = 20.0
_FILES = ("_profile_file", "_oidc_token_file_path")  # the attributes in which providers have the path of their file
_OIDC = ("ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE")


class ProviderChain:
    """Asks the providers in turn. The first that has keys is the only one that is asked from then on.

    The package is imported at the first use, because the import takes 0.4 s and reads the environment. The providers
    renew tokens themselves. `clock` returns monotonic seconds.
    """

    def __init__(
        self,
        *,
        providers: Callable[[], Mapping[str, Any]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._make = providers or official
        self._providers: Mapping[str, Any] = {}
        self._made = 0.0

    def keys(self) -> Keys:
        """See `Credentials.keys`. The error names each provider and why it has no keys."""
        with self._lock:
            if not self._providers:
                self._providers = self._make()
                self._made = self._clock()
            providers = self._providers
        faults = []
        for name, provider in providers.items():
            try:
                keys = _keys(_ask(name, provider))
            except Exception as error:  # noqa: BLE001 - each provider raises exceptions of its own
                faults.append(f"{name}: {_fault(error)}")
                continue
            with self._lock:
                if self._providers is providers:  # not renewed by another thread
                    self._providers = {name: provider}
            return keys
        # Not raised inside `except`: the original exception would be its context, and may quote keys.
        raise CredentialsError(
            f"the official provider chain has no keys ({'; '.join(faults)}); set `credentials` in the configuration, "
            "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run with a RAM role",
            code="NoCredentials",
        )

    def renew(self) -> None:
        """Ask all providers again, at most once an hour."""
        with self._lock:
            if self._clock() - self._made >= _RENEW_SECONDS:
                self._providers = {}


def _ask(name: str, provider: Any) -> Any:
    """The credentials of a provider. Raises `TimeoutError`, which names its file, if it hangs."""
    try:
        return reading.in_time(f"credentials of {name}", provider.get_credentials, seconds=_PROVIDER_SECONDS)
    except TimeoutError as error:
        file = next((getattr(provider, attribute) for attribute in _FILES if hasattr(provider, attribute)), name)
        raise TimeoutError(error.errno, error.strerror, str(file)) from None


def _keys(found: Any) -> Keys:
    identity, secret, token = found.get_access_key_id(), found.get_access_key_secret(), found.get_security_token()
    if not identity or not secret:
        raise ExporterError("it returned no key")
    return Keys(identity, SecretText(secret), SecretText(token) if token else None)


class _NotAsked:
    """Stands for a provider that the environment switches off, or that lacks variables."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def get_credentials(self) -> None:
        raise ExporterError(self._reason)


def official() -> dict[str, Any]:
    """The providers of the package, by their names in messages."""
    from alibabacloud_credentials import provider

    # Their log lines are not ours to print. Some quote answers of token services, including keys.
    for name in ("credentials", "apscheduler", "tzlocal"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    # The package would send its requests without NO_PROXY, private CAs and a limit for the time.
    for module in vars(provider).values():
        if hasattr(module, "TeaCore"):
            url = module.TeaCore.compose_url
            module.TeaCore = SimpleNamespace(compose_url=url, do_action=partial(_do_action, url))
    unset = [name for name in _OIDC if not os.environ.get(name)]
    ecs = os.environ.get("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "").lower() != "true"
    uri = os.environ.get("ALIBABA_CLOUD_CREDENTIALS_URI")
    return {
        "environment": provider.EnvironmentVariableCredentialsProvider(),
        "OIDC role": _NotAsked(f"not set: {', '.join(unset)}") if unset else provider.OIDCRoleArnCredentialsProvider(),
        "CLI profile": provider.CLIProfileCredentialsProvider(),
        "profile file": provider.ProfileCredentialsProvider(),
        # Without `async_update_enabled`, it starts no thread. It renews the keys 15 minutes before they expire.
        "ECS RAM role": provider.EcsRamRoleCredentialsProvider(async_update_enabled=False)
        if ecs
        else _NotAsked("ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"),
        "credentials URI": provider.URLCredentialsProvider()
        if uri
        else _NotAsked("not set: ALIBABA_CLOUD_CREDENTIALS_URI"),
    }


def _do_action(url: Callable[[Any], str], request: Any, options: Mapping[str, Any]) -> SimpleNamespace:
    """Send a request of a provider to its `url`. `options` has its timeouts in milliseconds."""
    _check_sts(request.headers["host"])
    with Session(1) as session:
        answer = exchange(
            session,
            request.method,
            url(request),
            headers=request.headers,
            deadline=Deadline.after((options["connectTimeout"] + options["readTimeout"]) / 1000),
            body=(request.body or "").encode(),
        )
    return SimpleNamespace(status_code=answer.status, body=answer.content)


def _check_sts(host: str) -> None:
    """Raise `ExporterError` if the package would ignore a variable, and so ask another STS than the user wants."""
    vpc = os.environ.get("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "")
    if vpc.lower() not in ("", "true", "false"):
        raise ExporterError("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED is neither true nor false")
    if vpc.lower() == "true" and host == "sts.aliyuncs.com":
        raise ExporterError(
            "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED needs ALIBABA_CLOUD_STS_REGION, for example cn-shanghai"
        )


# What the exceptions of the package say, and what is said instead. Their other texts may quote answers and keys.
_SAID = (
    (r"Environment variable accessKeyId cannot be empty", "ALIBABA_CLOUD_ACCESS_KEY_ID is not set or empty"),
    (r"Environment variable accessKeySecret cannot be empty", "ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set or empty"),
    (r"cli credentials file is disabled", "ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"),
    (r"unable to open credentials file: (?P<path>.+)", "{path} does not exist"),
    (r"failed to parse credential form cli credentials file: (?P<path>.+)", "{path} is not readable JSON"),
    (r"invalid profile name", "its file names no current profile"),
    (r"unable to get profile with '(?P<name>[\w.-]{1,64})'.*", "its file has no profile {name}"),
    (r"unsupported profile mode.*", "the mode of its profile is not supported"),
    (r"unsupported credential type .* from credentials file (?P<path>.+)", "the type in {path} is not supported"),
    (r"failed to get credential from credentials file: \$(?P<path>.+)", "{path} {lacks}"),
    (r"(?P<name>[A-Za-z_ ]{1,80} (?:cannot be|is) empty)", "{name}"),
    (r"Failed to get RAM session credentials .*HttpCode=404", "the instance has no RAM role"),
    (
        r".*?(?:http_code|HttpCode|status code)[=:] ?(?P<status>\d{3})\b(?P<answer>.*)",
        "refused with HTTP {status}{code}",
    ),
    (r"error retrieving credentials from .*", "the answer has no keys"),
)
_CODE = re.compile(r"[A-Z][A-Za-z]{0,40}(?:\.[A-Z][A-Za-z]{0,40}){0,3}")  # of STS, such as EntityNotExist.Role


def _fault(error: Exception) -> str:
    """What is wrong with a provider, without a text that may quote an answer or a key."""
    if isinstance(error, ExporterError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    for pattern, said in _SAID:
        if match := re.fullmatch(pattern, str(error), re.DOTALL):
            groups = match.groupdict()
            lacks = "lacks the profile" if Path(groups.get("path", "")).is_file() else "does not exist"
            return said.format(**groups, code=_code(groups.get("answer", "")), lacks=lacks)
    return type(error).__name__


def _code(text: str) -> str:
    """The error code in the JSON answer of STS after `result: `, in brackets. A key has digits, so it is no code."""
    try:
        answer = decode(text.partition(": ")[2].encode())
    except JsonError:
        return ""
    code = answer.get("Code") if isinstance(answer, dict) else None
    return f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
