"""The types of text values in the configuration: what is valid, and the faults of other values.

The text of a fault follows the value: `"x y" is not a name; use letters`.
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from exporter.config.scalars import Expanded
from exporter.keys import Key
from exporter.model import ID_PATTERN

ENV_PATTERN = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"

_ENDPOINT = re.compile(
    r"(https?)://([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?"
)
_CALLBACK = re.compile(r"https?://[^/?#\s]+\S*")
# Keys are long and have no separators. File names are rarely like that.
_LIKE_A_KEY = re.compile(r"[^/._-]{20,}")


@dataclass(frozen=True, slots=True)
class FromFile:
    """The validation context of values from the file at the absolute `path`: relative paths start at its folder."""

    path: Path

    @property
    def folder(self) -> Path:
        """The folder of the file."""
        return self.path.parent


def refused(text: str, *, at_parent: bool = False) -> PydanticCustomError:
    """A fault of a key, whose text follows the key. With `at_parent`, it is a fault of the section with the key."""
    return PydanticCustomError("at_parent" if at_parent else "sentence", "{text}", {"text": text})


def refused_value(text: str) -> PydanticCustomError:
    """A fault of a value. Its text follows the value, which is shown unless it may be a secret."""
    return PydanticCustomError("value", "{text}", {"text": text})


def text_schema(pattern: str) -> dict[str, Any]:
    """JSON Schema for text that matches `pattern` or contains `${NAME}`."""
    return {"type": "string", "pattern": f"^(?:{pattern})$|{ENV_PATTERN}"}


def matching(pattern: str, text: str) -> PlainValidator:
    """Accepts text that matches the whole pattern. `text` is the fault of other values."""
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if isinstance(value, (bool, int, float)):
            raise refused_value(f"is a {'boolean' if isinstance(value, bool) else 'number'} in YAML; quote it")
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise refused_value(text)
        return str(value)

    return PlainValidator(check)


# HTTP clients resolve `.` and `..` in a path, so no URL such as /callback/.. can have them as a name.
_NAME = r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}"
# Any region is valid with an endpoint, so that new ones need no new release. Without one, see `account.REGIONS`.
_REGION = r"(?=.{4,40}$)[a-z]{2}(?:-[a-z0-9]+)+"

Name = Annotated[
    str,
    matching(_NAME, "is not an account name; use 1 to 64 letters, digits, `_`, `.` and `-`"),
    WithJsonSchema(text_schema(_NAME)),
]
Region = Annotated[
    str, matching(_REGION, "is not a region id; write for example cn-shanghai"), WithJsonSchema(text_schema(_REGION))
]
Id = Annotated[
    str,
    matching(ID_PATTERN, "is not an id of VOD; write 1 to 128 letters, digits, `_` and `-`"),
    WithJsonSchema(text_schema(ID_PATTERN)),
]
Ids = Annotated[
    tuple[Id, ...],
    WithJsonSchema({"type": "array", "items": text_schema(ID_PATTERN), "uniqueItems": True}),
]


def _endpoint(value: object) -> str:
    # The value is never shown, because people write keys into URLs.
    if isinstance(value, str):
        if "@" in value:
            raise refused("contains a user name or password; remove it, and write keys under credentials")
        if "://" not in value:
            raise refused("has no scheme; write https:// at the start")
        match = _ENDPOINT.fullmatch(value)
        if match and _is_host(match[2]) and (match[3] is None or 0 < int(match[3]) < 65536):
            return str(value).rstrip("/")
    raise refused("is not an endpoint; write http://HOST or https://HOST, if necessary with :PORT, and without a path")


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return ".." not in host
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


Endpoint = Annotated[
    str,
    PlainValidator(_endpoint),
    WithJsonSchema({"type": "string", "pattern": f"^https?://[^/@?#]+/?$|{ENV_PATTERN}"}),
]


def _callback(value: object) -> str:
    # Kept exactly as written, because VOD signs it. Never shown, because its query may contain a secret.
    if not isinstance(value, str) or not _CALLBACK.fullmatch(value) or not value.isprintable():
        raise refused("is not a URL; write the callback URL exactly as in VOD, http://... or https://...")
    return str(value)


CallbackUrl = Annotated[
    str,
    PlainValidator(_callback),
    WithJsonSchema({"type": "string", "pattern": f"^https?://[^/?#\\s]+\\S*$|{ENV_PATTERN}"}),
]


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value.absolute()
    if not isinstance(value, str) or not value or "\0" in value:
        raise refused("is not a path; write the path of a file, absolute or relative to the folder of this file")
    return info.context.folder / value if isinstance(info.context, FromFile) else Path(value).absolute()


_PATH_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})

FilePath = Annotated[Path, PlainValidator(_path), _PATH_SCHEMA]


def _pattern(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise refused_value("is not a file pattern; write for example tasks/*.yml, relative to the folder of this file")
    # The name of the folder may contain wildcards, which must not match.
    folder = glob.escape(str(info.context.folder)) if isinstance(info.context, FromFile) else ""
    return os.path.join(folder, value)  # noqa: PTH118 - a pattern, not a path


Patterns = Annotated[
    tuple[Annotated[str, PlainValidator(_pattern)], ...],
    WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
]


def _text_key(value: object, info: ValidationInfo) -> Key:
    return _key_of_text(value, info, "copy the key exactly as Alibaba Cloud shows it")


def _key_of_text(value: object, info: ValidationInfo, remedy: str) -> Key:
    if isinstance(value, Key):
        return value
    if not isinstance(value, str):
        raise refused(f"is not text; {'write the key itself' if isinstance(value, (dict, list)) else 'quote it'}")
    written_in = info.context.path if isinstance(info.context, FromFile) and not isinstance(value, Expanded) else None
    try:
        return Key(value, written_in=written_in)
    except ValueError as error:
        raise refused(f"{error}; {remedy}") from None


def _file_key(value: object, info: ValidationInfo) -> Key:
    return _key_of_file(value, info)[0]


def _key_of_file(value: object, info: ValidationInfo) -> tuple[Key, int]:
    """The key and its present length in characters. The file must be readable when the configuration is loaded."""
    key = value if isinstance(value, Key) else Key(_path(value, info))
    try:
        return key, len(key.read().get_secret_value())
    except ValueError as error:
        remedy = "write only the key to this file, and make it readable by the exporter"
        raise refused(f"the file{_shown_path(value)} {error}; {remedy}") from None


def _shown_path(value: object) -> str:
    written = value.written if isinstance(value, Expanded) else str(value)
    # The user may have written the key itself in place of a path. It must not be shown.
    return "" if _LIKE_A_KEY.search(written) or len(written) > 200 else f" {written}"


_MASK = PlainSerializer(str)  # a dump of the settings shows no key
_KEY_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})

TextKey = Annotated[Key, PlainValidator(_text_key), _MASK, _KEY_SCHEMA]
FileKey = Annotated[Key, PlainValidator(_file_key), _MASK, _KEY_SCHEMA]

MIN_TOKEN = 16  # characters; a shorter token could be guessed over the network
_TOKEN_REMEDY = f"write at least {MIN_TOKEN} random characters, for example from `openssl rand -hex 32`"


def _text_token(value: object, info: ValidationInfo) -> Key:
    token = _key_of_text(value, info, _TOKEN_REMEDY)
    if len(token.read().get_secret_value()) < MIN_TOKEN:
        raise refused(f"is shorter than {MIN_TOKEN} characters; {_TOKEN_REMEDY}")
    return token


def _file_token(value: object, info: ValidationInfo) -> Key:
    token, length = _key_of_file(value, info)
    if length < MIN_TOKEN:
        raise refused(f"the file{_shown_path(value)} has fewer than {MIN_TOKEN} characters; {_TOKEN_REMEDY}")
    return token


TextToken = Annotated[
    Key,
    PlainValidator(_text_token),
    _MASK,
    WithJsonSchema({"type": "string", "anyOf": [{"minLength": MIN_TOKEN}, {"pattern": ENV_PATTERN}]}),
]
FileToken = Annotated[Key, PlainValidator(_file_token), _MASK, _KEY_SCHEMA]


_DSN_REMEDY = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %-encoding of special characters"


def _dsn(key: Key) -> Key:
    # Only URLs, because they need no white space, and their password can be found and masked.
    if not re.match(r"postgres(?:ql)?://", key.read().get_secret_value()):
        raise refused(f"is not the URL of a PostgreSQL database; {_DSN_REMEDY}")
    return key


def _text_dsn(value: object, info: ValidationInfo) -> Key:
    return _dsn(_key_of_text(value, info, _DSN_REMEDY))


def _file_dsn(value: object, info: ValidationInfo) -> Key:
    return _dsn(_key_of_file(value, info)[0])


TextDsn = Annotated[Key, PlainValidator(_text_dsn), _MASK, WithJsonSchema(text_schema("postgres(?:ql)?://.*"))]
FileDsn = Annotated[Key, PlainValidator(_file_dsn), _MASK, _KEY_SCHEMA]


def _switch(value: object) -> bool:
    if isinstance(value, Expanded) and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise refused_value("is not a boolean; write true or false, without quotes")
    return value


Switch = Annotated[
    bool,
    PlainValidator(_switch),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": ENV_PATTERN}]}),
]
