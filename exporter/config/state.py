"""The section `state` of the configuration: where the exporter stores its state."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from exporter.config import amounts, fields
from exporter.config.section import Section, duration, either, file_key, text_or_file
from exporter.keys import Key

STATE_FILE = "vod-transcode-exporter.db"


def default_state_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the state is without `state`: in the folder that systemd made for it, else in the working folder.

    `STATE_DIRECTORY` is a list, with the folders of `StateDirectory=` in the unit:
    https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory=
    """
    folder = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(folder, STATE_FILE).absolute()


class Postgres(Section):
    """The database that several replicas of the exporter share."""

    dsn: fields.TextDsn | None = Field(default=None, description="URL of the database, which may name several hosts")
    dsn_file: fields.FileDsn | None = file_key("file with the URL of the database")

    model_config = ConfigDict(json_schema_extra=either("dsn"))

    @property
    def key(self) -> Key:
        """The URL, from `dsn` or `dsn_file`."""
        key = self.dsn or self.dsn_file
        assert key  # noqa: S101 - ensured by `_one_of_two`
        return key

    @field_validator("dsn_file")
    @classmethod
    def _one_of_two(cls, file: Key | None, info: ValidationInfo) -> Key | None:
        return text_or_file(file, info)


class State(Section):
    """Where the exporter stores its state. Without this section: see `default_state_path`. `lease` is in seconds."""

    path: fields.FilePath | None = Field(default=None, description="file of the database; its folder must exist")
    postgres: Postgres | None = Field(default=None, description="PostgreSQL database that several replicas share")
    lease: amounts.Lease = duration(
        "15s", "with postgres: how long a replica shows an account without an answer of the database"
    )
    replica: fields.Name | None = Field(
        default=None, description="with postgres: name of this replica; default: the name of the host"
    )
    memory: fields.Switch = Field(
        default=False, description="store nothing; counters start at zero after each restart", validate_default=True
    )

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["path"]},
                {"required": ["postgres"]},
                {"required": ["memory"], "properties": {"memory": {"not": {"const": False}}}},
            ]
        }
    )

    @property
    def replica_name(self) -> str:
        """The name of this replica."""
        return self.replica or re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())[:64]

    @field_validator("postgres")
    @classmethod
    def _no_path(cls, postgres: Postgres | None, info: ValidationInfo) -> Postgres | None:
        if postgres is not None and info.data.get("path") is not None:
            raise fields.refused("is set although path is set; keep one of the two")
        return postgres

    @field_validator("memory")
    @classmethod
    def _one_of_three(cls, memory: bool, info: ValidationInfo) -> bool:
        if not {"path", "postgres"} <= info.data.keys():
            return memory  # a key has a fault of its own
        given = next((key for key in ("path", "postgres") if info.data[key] is not None), None)
        if given is not None and memory:
            raise fields.refused(f"is true although {given} is set; keep one of the two")
        if given is None and not memory:
            raise fields.refused("path is missing; add path, postgres, or memory: true", at_parent=True)
        return memory
