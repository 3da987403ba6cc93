"""The keys of the web configuration file, and how it is loaded: strictly, with the line of each fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from exporter.config import amounts, faults, fields, yaml_source
from exporter.config.section import Section, duration, text_or_file
from exporter.config.yaml_source import Fault, KeyPath, Source
from exporter.errors import ConfigError
from exporter.websecurity import values
from exporter.websecurity.ciphers import SUITES_13

NEEDS = "add tls_server_config or basic_auth_users, or start the exporter without --web.config.file"


def _file(description: str) -> Any:
    return Field(default=None, description=description, validate_default=True)


class TlsServer(Section):
    """TLS. The order of the fields matters: each may be checked against those above it."""

    cert: values.Pem | None = Field(default=None, description="certificate of the server and its chain, in PEM format")
    cert_file: fields.FilePath | None = _file("file with the certificate and its chain")
    key: values.Pem | None = Field(default=None, description="private key of the certificate, in PEM format")
    key_file: fields.FilePath | None = _file("file with the private key")
    client_auth_type: values.Policy = Field(
        default="NoClientCert", description="whether clients need a certificate: see below"
    )
    client_ca: values.Pem | None = Field(
        default=None, description="CA that signs the certificates of clients, in PEM format"
    )
    client_ca_file: fields.FilePath | None = _file("file with the CA of the clients")
    client_allowed_sans: tuple[values.Name, ...] = Field(
        default=(), description="a client certificate must have one of these names: DNS, IP address, e-mail or URI"
    )
    min_version: values.Version = Field(default="TLS12", description="oldest version of TLS: TLS12 or TLS13")
    max_version: values.Version = Field(default="TLS13", description="newest version of TLS: TLS12 or TLS13")
    cipher_suites: tuple[values.Suite, ...] = Field(
        default=(), description="cipher suites of TLS 1.2, by Go's names; default: those of Python's ssl"
    )
    curve_preferences: tuple[values.Curve, ...] = Field(
        default=(), description="curve of the key exchange: CurveP256, CurveP384, CurveP521 or X25519"
    )
    prefer_server_cipher_suites: fields.Switch = Field(
        default=True, description="the server's order of cipher suites counts, not that of the client"
    )

    @property
    def files(self) -> Sequence[Path]:
        """The files that the section names."""
        return [path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None]

    @field_validator("cert_file", "key_file")
    @classmethod
    def _one_of_two(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        return text_or_file(file, info)

    @field_validator("client_ca_file")
    @classmethod
    def _with_a_policy(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        text_or_file(file, info, required=False)
        policy, given = info.data.get("client_auth_type"), file or info.data.get("client_ca")
        if policy == "NoClientCert" and given:
            raise fields.refused(
                "client_ca is set without client_auth_type, so no client would be verified; add client_auth_type: "
                "RequireAndVerifyClientCert, or remove the CA",
                at_parent=True,
            )
        if policy not in (None, "NoClientCert") and not given and "client_ca" in info.data:
            raise fields.refused("client_ca is missing; add client_ca or client_ca_file", at_parent=True)
        return file

    @field_validator("client_allowed_sans")
    @classmethod
    def _of_verified_clients(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if names and info.data.get("client_auth_type") == "NoClientCert":
            raise fields.refused("needs client_auth_type: RequireAndVerifyClientCert; add it")
        return names

    @field_validator("max_version")
    @classmethod
    def _not_below_the_least(cls, version: str, info: ValidationInfo) -> str:
        if version < info.data.get("min_version", version):
            raise fields.refused("is older than min_version; exchange the two")
        return version

    @field_validator("cipher_suites")
    @classmethod
    def _of_a_version(cls, suites: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if suites and info.data.get("max_version") == "TLS12" and set(suites) <= set(SUITES_13):
            raise fields.refused("has suites of TLS 1.3 only, and max_version is TLS12; add suites of TLS 1.2")
        return suites

    @field_validator("curve_preferences")
    @classmethod
    def _at_most_one(cls, curves: tuple[str, ...]) -> tuple[str, ...]:
        if len(curves) > 1:
            raise fields.refused(
                f"has {len(curves)} curves, and Python's ssl can set only one; keep one, or remove the key for all"
            )
        return curves


class Headers(Section):
    """Headers of every response. An empty one is not sent."""

    csp: values.AnyHeader = Field(
        default="", alias="Content-Security-Policy", description="what pages may load and where they may be shown"
    )
    frame_options: Annotated[str, values.header("deny", "sameorigin")] = Field(
        default="", alias="X-Frame-Options", description="deny or sameorigin"
    )
    content_type_options: Annotated[str, values.header("nosniff")] = Field(
        default="", alias="X-Content-Type-Options", description="nosniff"
    )
    xss_protection: values.AnyHeader = Field(default="", alias="X-XSS-Protection", description="for old browsers")
    transport_security: values.AnyHeader = Field(
        default="", alias="Strict-Transport-Security", description="makes browsers use HTTPS for the whole host"
    )

    @property
    def lines(self) -> Sequence[tuple[bytes, bytes]]:
        """Names in lower case and values, as ASGI has them."""
        given = self.model_dump(by_alias=True).items()
        return [(name.lower().encode(), str(value).encode()) for name, value in given if value]


class HttpServer(Section):
    """The HTTP server."""

    http2: fields.Switch = Field(default=True, description="without effect: the exporter answers HTTP/1.1 in any case")
    headers: Headers = Field(default=Headers(), description="headers of every response")


class RateLimit(Section):
    """How many requests are answered: a token bucket."""

    interval: amounts.MinInterval = duration("0s", "time between two requests; 0 is no limit")
    burst: amounts.Burst = Field(default=0, description="how many requests may come at once", validate_default=True)

    @field_validator("burst")
    @classmethod
    def _lets_some_through(cls, burst: int, info: ValidationInfo) -> int:
        if info.data.get("interval") and not burst:
            raise fields.refused("is 0, so every request would be refused; write 1 or more")
        return burst


class WebSettings(Section):
    """The whole file."""

    tls_server_config: TlsServer | None = Field(default=None, description="TLS; default: plain HTTP")
    http_server_config: HttpServer = Field(default=HttpServer(), description="the HTTP server")
    basic_auth_users: dict[values.User, values.Hash] = Field(
        default={}, description="bcrypt hash of the password of each user; default: no passwords"
    )
    rate_limit: RateLimit = Field(default=RateLimit(), description="how many requests are answered")


SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): WebSettings,
    ("tls_server_config",): TlsServer,
    ("http_server_config",): HttpServer,
    ("http_server_config", "headers"): Headers,
    ("rate_limit",): RateLimit,
}
"""The model of each section, by its path in the file."""


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file without faults in itself. What is wrong with the files that it names is known when they are read."""

    path: Path
    settings: WebSettings
    _source: Source = field(repr=False, compare=False)

    def fault(self, key: str, text: str) -> ConfigError:
        """The error for a key of `tls_server_config`. `text` follows the key."""
        at: KeyPath = ("tls_server_config", key)
        return ConfigError(faults.lines([Fault(self._source.lines[at], at, text)], self._source, self.path))


def load(path: Path) -> WebFile:
    """Load the file at `path`. Raises `ConfigError` with all faults, in the order of the file.

    Values stay as they are: the format has no environment variables, and hashes have dollar signs.
    """
    source = yaml_source.read(path, environ=None, hidden=faults.hidden, needs=NEEDS)
    settings, found = None, list(source.faults)
    if source.complete:
        settings, refused = _validate(source.data, path.absolute())
        found += faults.translated(refused, source, SECTIONS)
    if settings is None or found:
        raise ConfigError(faults.lines(found, source, path))
    return WebFile(path, settings, replace(source, data=None))


def _validate(data: object, path: Path) -> tuple[WebSettings | None, list[Any]]:
    # Errors are returned as values: as the context of a ConfigError, the exception would show the keys of the file.
    try:
        return WebSettings.model_validate(data, context=fields.FromFile(path)), []
    except ValidationError as error:
        return None, list(error.errors(include_url=False))
