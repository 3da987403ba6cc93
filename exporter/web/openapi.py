"""The OpenAPI document of the registration API, held to it by a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter import __version__
from exporter.model import TASK_STATUSES, UNKNOWN
from exporter.tracking.sources import SOURCES
from exporter.web.api import DEFAULT_LIMIT, MAX_IDS, MAX_LIMIT, MAX_OFFSET, TASK_ID_PATTERN
from exporter.web.requests import MAX_BODY_BYTES

Json = dict[str, Any]

_ACCOUNT: Json = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_.-]{1,64}$",
    "description": "Name of an account of the configuration.",
    "examples": ["prod"],
}
_TASK_ID: Json = {
    "type": "string",
    "pattern": TASK_ID_PATTERN,
    "description": "The TranscodeTaskId that SubmitTranscodeJobs answers.",
    "examples": ["3d705f385b23438385a2bdd6c4e3a1b2"],
}


def _ref(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _object(properties: Mapping[str, Json], **more: Any) -> Json:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _refused(description: str, *headers: str) -> Json:
    found = {name: {"schema": {"type": "string"}, "required": True} for name in headers}
    return {"description": description, "content": _json(_ref("schemas", "Error")), "headers": found}


def _responses(success: Mapping[str, Json], *names: str) -> Json:
    refused = {"400": "Odd", "401": "Unauthorized", "403": "Off", "404": "NotFound", "503": "Unavailable"}
    more = {"413": "TooLarge", "415": "WrongType"}
    chosen = refused | {status: more[status] for status in names}
    return {**success, **{status: _ref("responses", name) for status, name in sorted(chosen.items())}}


DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "vod-transcode-exporter",
        "version": __version__,
        "summary": "Registration of transcode tasks of ApsaraVideo VOD",
        "description": "Tell the exporter of a task right after SubmitTranscodeJobs, and its next scrape shows it.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "security": [{"token": []}],
    "tags": [{"name": "tasks", "description": "Tracked transcode tasks."}, {"name": "document"}],
    "paths": {
        "/api/v1/tasks": {
            "post": {
                "operationId": "registerTasks",
                "summary": "Track tasks.",
                "description": (
                    "Once this is answered with 200 the registration is kept, and outlives a restart. Doing it again "
                    "changes nothing. A task that was finished before is not tracked again, which is no error."
                ),
                "tags": ["tasks"],
                "requestBody": {"required": True, "content": _json(_ref("schemas", "Registration"))},
                "responses": _responses(
                    {"200": {"description": "Kept.", "content": _json(_ref("schemas", "Registered"))}}, "413", "415"
                ),
            },
            "get": {
                "operationId": "listTasks",
                "summary": "List tracked tasks, of whatever source.",
                "description": (
                    "Account by account; new ones come last in theirs. A task that is dropped between two pages moves "
                    "those after it one place forward."
                ),
                "tags": ["tasks"],
                "parameters": [
                    _query("account", _ACCOUNT, "Tasks of this account only."),
                    _query(
                        "limit",
                        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
                        "At most so many.",
                    ),
                    _query(
                        "offset",
                        {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
                        "How many to leave out at the beginning.",
                    ),
                ],
                "responses": _responses({"200": {"description": "A page.", "content": _json(_ref("schemas", "Page"))}}),
            },
        },
        "/api/v1/tasks/{task_id}": {
            "delete": {
                "operationId": "deleteTask",
                "summary": "Track a task no longer, whatever source names it.",
                "tags": ["tasks"],
                "parameters": [
                    {"name": "task_id", "in": "path", "required": True, "schema": _TASK_ID},
                    _query("account", _ACCOUNT, "May be left out where the configuration has one account."),
                ],
                "responses": _responses({"204": {"description": "It is tracked no longer."}}),
            },
        },
        "/api/v1/openapi.json": {
            "get": {
                "operationId": "getDocument",
                "summary": "This document.",
                "tags": ["document"],
                "security": [],
                "responses": {"200": {"description": "This document.", "content": _json({"type": "object"})}},
            },
        },
    },
    "components": {
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "api.token, or the text in api.token_file."}
        },
        "schemas": {
            "Registration": {
                **_object(
                    {
                        "account": {
                            **_ACCOUNT,
                            "description": "May be left out where the configuration has one account.",
                        },
                        "task_id": _TASK_ID,
                        "task_ids": {"type": "array", "items": _TASK_ID, "minItems": 1, "maxItems": MAX_IDS},
                    }
                ),
                "required": [],
                "oneOf": [{"required": ["task_id"]}, {"required": ["task_ids"]}],
                "description": f"One task or up to {MAX_IDS}, in at most {MAX_BODY_BYTES >> 20} MiB.",
            },
            "Registered": _object(
                {
                    "account": _ACCOUNT,
                    "tasks": {
                        "type": "array",
                        "description": "Each id once, in the order given.",
                        "items": _object(
                            {
                                "task_id": _TASK_ID,
                                "tracked": {
                                    "type": "boolean",
                                    "description": "false: it was finished before.",
                                },
                            }
                        ),
                    },
                }
            ),
            "Page": _object(
                {
                    "tasks": {"type": "array", "items": _ref("schemas", "Task"), "maxItems": MAX_LIMIT},
                    "total": {"type": "integer", "minimum": 0, "description": "How many there are on all pages."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
                    "offset": {"type": "integer", "minimum": 0},
                }
            ),
            "Task": _object(
                {
                    "account": _ACCOUNT,
                    "task_id": {"type": "string", "description": "TranscodeTaskId."},
                    "source": {"enum": list(SOURCES), "description": "Where it was found first."},
                    "status": {
                        "enum": [*TASK_STATUSES, UNKNOWN, None],
                        "description": "TaskStatus when it was last seen; null before it was.",
                    },
                    "video_id": {"type": ["string", "null"], "description": "VideoId, where VOD told it."},
                }
            ),
            "Error": _object({"error": {"type": "string", "description": "A sentence that says what to do."}}),
        },
        "responses": {
            "Odd": _refused("The request cannot be understood."),
            "Unauthorized": _refused("The token is missing or wrong.", "WWW-Authenticate"),
            "Off": _refused("The configuration has neither api.token nor api.token_file."),
            "NotFound": _refused("No such account, or no such task is tracked."),
            "TooLarge": _refused("The body is larger than 1 MiB."),
            "WrongType": _refused("The body is not application/json."),
            "Unavailable": _refused(
                "The state or the token cannot be used now, or too many requests are under way.", "Retry-After"
            ),
        },
    },
}
