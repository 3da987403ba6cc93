"""What all sections of the file have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo

from exporter.config import fields
from exporter.keys import Key


class Section(BaseModel):
    # Input is hidden because pydantic's own message would show keys.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def duration(default: str, description: str) -> Any:
    # Validated, so that it is written as in a file and the rules on it hold where only other keys are given.
    return Field(default=default, description=description, validate_default=True)


def file_key(description: str) -> Any:
    """The field of a key given as a file. `text_or_file` is to validate it, absent or not."""
    return Field(default=None, description=description, validate_default=True)


def text_or_file(file: Key | None, info: ValidationInfo, *, required: bool = True) -> Key | None:
    """Exactly one of the key and its file is given; with `required` false at most one."""
    key = str(info.field_name).removesuffix("_file")
    if key not in info.data:
        return file  # its own fault is told already
    if info.data[key] is not None and file is not None:
        raise fields.refused(f"is given beside {key}; keep one of the two")
    if info.data[key] is None and file is None and required:
        raise fields.refused(f"{key} is missing; add {key} or {key}_file", at_parent=True)
    return file


def either(key: str) -> dict[str, Any]:
    """In JSON Schema: the key or its file."""
    return {"oneOf": [{"required": [key]}, {"required": [f"{key}_file"]}]}
