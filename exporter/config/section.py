"""The base class of all sections of the configuration, and fields that several sections have."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

from exporter.config import fields

_Text = TypeVar("_Text")


class Section(BaseModel):
    """A section of the file. Unknown keys are faults, and the values cannot be changed."""

    # pydantic would show the input in its error messages, and the input may be a key.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def duration(default: str, description: str) -> Any:
    """The field of a duration. The default is written as in the file."""
    # Validating the default converts it to seconds, and checks it against other keys that the file may have.
    return Field(default=default, description=description, validate_default=True)


def file_key(description: str) -> Any:
    """The field of a key that is given as a file. `text_or_file` must validate it, also if it is absent."""
    return Field(default=None, description=description, validate_default=True)


def text_or_file(file: _Text | None, info: ValidationInfo, *, required: bool = True) -> _Text | None:
    """Check that exactly one of a text and its file is given; at most one if it is not `required`."""
    key = str(info.field_name).removesuffix("_file")
    if key not in info.data:
        return file  # this key has a fault of its own
    if info.data[key] is not None and file is not None:
        raise fields.refused(f"is set together with {key}; keep one of the two")
    if info.data[key] is None and file is None and required:
        raise fields.refused(f"{key} is missing; add {key} or {key}_file", at_parent=True)
    return file


def either(key: str) -> dict[str, Any]:
    """JSON Schema for exactly one of the key and its file."""
    return {"oneOf": [{"required": [key]}, {"required": [f"{key}_file"]}]}
