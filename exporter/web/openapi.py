"""The OpenAPI document of the registration API. Tests compare it with the answers of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter import __version__
from exporter.model import SOURCES, TASK_STATUSES, UNKNOWN
from exporter.web.api import DEFAULT_LIMIT, MAX_IDS, MAX_LIMIT, MAX_OFFSET, TASK_ID_PATTERN
from exporter.web.requests import MAX_BODY_BYTES

Json = dict[str, Any]

_ACCOUNT: Json = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_.-]{1,64}$",
    "description": "The name of an account in the configuration.",
    "examples": ["prod"],
}
_TASK_ID: Json = {
    "type": "string",
    "pattern": TASK_ID_PATTERN,
    "description": "The TranscodeTaskId in the response of SubmitTranscodeJobs.",
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


_PASSED_ON: Json = {
    "202": {
        "description": "Another replica holds the account. The request is stored, and the holder takes it.",
        "content": _json(_ref("schemas", "PassedOn")),
    }
}


def _responses(success: Mapping[str, Json], *names: str) -> Json:
    refused = {"400": "Malformed", "401": "Unauthorized", "403": "Off", "404": "NotFound", "503": "Unavailable"}
    more = {"413": "TooLarge", "415": "WrongType"}
    chosen = refused | {status: more[status] for status in names}
    return {**success, **{status: _ref("responses", name) for status, name in sorted(chosen.items())}}


DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "vod-transcode-exporter",
        "version": __version__,
        "summary": "Registration of transcode tasks of ApsaraVideo VOD",
        "description": "Register a task right after SubmitTranscodeJobs, so that the next scrape shows it.",
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
                    "After the response 200 the registration is stored and survives a restart. A repeated "
                    "registration changes nothing. A task that has finished before is not tracked again; this is not "
                    "an error."
                ),
                "tags": ["tasks"],
                "requestBody": {"required": True, "content": _json(_ref("schemas", "Registration"))},
                "responses": _responses(
                    {
                        "200": {
                            "description": "The tasks are registered.",
                            "content": _json(_ref("schemas", "Registered")),
                        },
                        **_PASSED_ON,
                    },
                    "413",
                    "415",
                ),
            },
            "get": {
                "operationId": "listTasks",
                "summary": "List the tracked tasks of all sources.",
                "description": (
                    "The tasks are grouped by account, and new tasks are last in their account. If a task is dropped "
                    "between two requests, the tasks after it move forward by one."
                ),
                "tags": ["tasks"],
                "parameters": [
                    _query("account", _ACCOUNT, "List the tasks of this account only."),
                    _query(
                        "limit",
                        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
                        "The maximum number of tasks in the response.",
                    ),
                    _query(
                        "offset",
                        {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
                        "The number of tasks to skip at the start.",
                    ),
                ],
                "responses": _responses(
                    {"200": {"description": "A page of the list.", "content": _json(_ref("schemas", "Page"))}}
                ),
            },
        },
        "/api/v1/tasks/{task_id}": {
            "delete": {
                "operationId": "deleteTask",
                "summary": "Stop tracking a task.",
                "description": "This also applies to tasks that the configuration, a file or discovery has named.",
                "tags": ["tasks"],
                "parameters": [
                    {"name": "task_id", "in": "path", "required": True, "schema": _TASK_ID},
                    _query("account", _ACCOUNT, "Optional if the configuration has only one account."),
                ],
                "responses": _responses({"204": {"description": "The task is not tracked any more."}, **_PASSED_ON}),
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
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The value of api.token, or the content of api.token_file.",
            }
        },
        "schemas": {
            "Registration": {
                **_object(
                    {
                        "account": {
                            **_ACCOUNT,
                            "description": "Optional if the configuration has only one account.",
                        },
                        "task_id": _TASK_ID,
                        "task_ids": {"type": "array", "items": _TASK_ID, "minItems": 1, "maxItems": MAX_IDS},
                    }
                ),
                "required": [],  # `oneOf` requires exactly one of the two keys instead
                "oneOf": [{"required": ["task_id"]}, {"required": ["task_ids"]}],
                "description": f"One task or up to {MAX_IDS} tasks, in a body of at most {MAX_BODY_BYTES >> 20} MiB.",
            },
            "PassedOn": _object({"account": _ACCOUNT, "holder": {"type": ["string", "null"]}}),
            "Registered": _object(
                {
                    "account": _ACCOUNT,
                    "tasks": {
                        "type": "array",
                        "description": "Each id once, in the order of the request.",
                        "items": _object(
                            {
                                "task_id": _TASK_ID,
                                "tracked": {
                                    "type": "boolean",
                                    "description": "false if the task has finished before.",
                                },
                            }
                        ),
                    },
                }
            ),
            "Page": _object(
                {
                    "tasks": {"type": "array", "items": _ref("schemas", "Task"), "maxItems": MAX_LIMIT},
                    "total": {"type": "integer", "minimum": 0, "description": "The number of tasks on all pages."},
                    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
                    "offset": {"type": "integer", "minimum": 0},
                }
            ),
            "Task": _object(
                {
                    "account": _ACCOUNT,
                    "task_id": {"type": "string", "description": "TranscodeTaskId."},
                    "source": {"enum": list(SOURCES), "description": "The source that named the task first."},
                    "status": {
                        "enum": [*TASK_STATUSES, UNKNOWN, None],
                        "description": "The last TaskStatus from VOD; null before the first response.",
                    },
                    "video_id": {"type": ["string", "null"], "description": "The VideoId, if VOD has reported it."},
                }
            ),
            "Error": _object(
                {
                    "error": {
                        "type": "string",
                        "description": "A sentence that says what is wrong and how to correct it.",
                    }
                }
            ),
        },
        "responses": {
            "Malformed": _refused("The request is malformed."),
            "Unauthorized": _refused("The token is missing or wrong.", "WWW-Authenticate"),
            "Off": _refused("The API is off: the configuration has neither api.token nor api.token_file."),
            "NotFound": _refused("No account has this name, or no task with this id is tracked."),
            "TooLarge": _refused("The body is larger than 1 MiB."),
            "WrongType": _refused("The body is not application/json, or is compressed."),
            "Unavailable": _refused(
                "The state or the token cannot be used now, or too many requests are in progress.", "Retry-After"
            ),
        },
    },
}
