"""Faults that tests and people inject: what goes wrong, for which calls, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from random import Random
from threading import Lock
from types import MappingProxyType

from exporter.simulator.answers import OPERATIONS

# Each kind, and its default `seconds`: the delay, or the time between two bytes of a drip. The comments have the
# defaults of the other parameters in parentheses.
KINDS: Mapping[str, float] = MappingProxyType(
    {
        "delay": 1.0,  # the true answer, `seconds` late
        "hang": 3600.0,  # no answer for `seconds`, then the connection closes
        "close": 0.0,  # the connection closes without an answer
        "drip": 0.1,  # the true body a byte at a time
        "drip-headers": 0.1,  # the head of the answer a byte at a time
        "stall": 3600.0,  # half of the true body, then nothing for `seconds`
        "truncated": 0.0,  # half of the true body, then the connection closes
        "reset": 0.0,  # half of the true body, then a reset
        "status": 0.0,  # `status` (503) with `body` ("")
        "code": 0.0,  # an error answer with `code`, `message`, `status` (the usual status of the code)
        "malformed": 0.0,  # 200 with `body` as it is, or a `variant` of VARIANTS
        "html": 0.0,  # a web page, `status` 200
        "huge": 0.0,  # a JSON answer of `size` bytes (64 MiB)
        "gzip-bomb": 0.0,  # a small gzip body that unpacks to `size` bytes (256 MiB)
        "redirect": 0.0,  # 302 to `location`
        "replace": 0.0,  # the true answer; `fields` maps names of fields, at any depth, to their new values
        "drop-job-ids": 0.0,  # the true answer without the id and status of its jobs
        "refuse-job-ids": 0.0,  # MissingParameter for the JobIds form of GetTranscodeTask
        "repeat-page": 0.0,  # the first page for every page number
    }
)
VARIANTS = ("types", "nesting", "digits", "nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault for the operation `action` (None: for all). `share` of the calls meet it, at most `count` of them.

    With `ids`, it is only for calls whose parameters have one of these ids, alone or in a list.

    Raises `ValueError` for a malformed parameter.
    """

    kind: str
    action: str | None = None
    ids: Sequence[str] | None = None
    share: float = 1.0
    count: int | None = None
    seconds: float | None = None
    status: int | None = None
    code: str = "InternalError"
    message: str = "The request processing has failed due to some unknown error."
    body: str | None = None
    variant: str = "types"
    retry_after: str | int | float | None = None
    size: int | None = None
    location: str = "http://169.254.169.254/latest/meta-data/"
    fields: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        # Tuples, because a value from JSON may be unhashable, and a lookup in a mapping would raise `TypeError`.
        _check("kind", self.kind, self.kind in tuple(KINDS), f"one of {', '.join(KINDS)}")
        known = self.action in (None, *OPERATIONS)
        _check("action", self.action, known, f"null or one of {', '.join(OPERATIONS)}")
        _check("ids", self.ids, self.ids is None or _is_texts(self.ids), "a list of texts")
        _check("share", self.share, _is_number(self.share) and 0 <= self.share <= 1, "a number from 0 to 1")
        for name, least in (("count", 1), ("status", 200), ("size", 0)):
            value = getattr(self, name)
            right = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= least)
            _check(name, value, right, f"a whole number, {least} or more")
        _check("status", self.status, self.status is None or self.status <= 599, "a final HTTP status")
        positive = self.seconds is None or (_is_number(self.seconds) and 0 <= self.seconds < 1e6)
        _check("seconds", self.seconds, positive, "a number of seconds")
        for name in ("code", "message", "variant", "location"):
            _check(name, getattr(self, name), isinstance(getattr(self, name), str), "text")
        _check("body", self.body, self.body is None or isinstance(self.body, str), "text")
        _check("variant", self.variant, self.variant in VARIANTS, f"one of {', '.join(VARIANTS)}")
        _check("fields", self.fields, (self.kind == "replace") == isinstance(self.fields, Mapping), "of kind replace")
        for name in ("location", "retry_after"):
            _check(name, getattr(self, name), str(getattr(self, name)).isprintable(), "one line")

    @classmethod
    def parse(cls, value: object) -> Fault:
        """Make a fault from parsed JSON. Raises `ValueError` if it is malformed."""
        if not isinstance(value, dict) or "kind" not in value:
            raise ValueError('a fault is a JSON object such as {"kind": "delay", "seconds": 2}')
        known = [field.name for field in fields(cls)]
        for name in value:
            _check(name, value[name], name in known, f"a parameter among {', '.join(known)}")
        return cls(**value)

    @property
    def pause(self) -> float:
        """`seconds`, or the default of the kind."""
        return KINDS[self.kind] if self.seconds is None else self.seconds

    def meets(self, action: str, parameters: Mapping[str, str]) -> bool:
        """Whether a call of this operation with these parameters can meet the fault."""
        if self.kind == "refuse-job-ids":
            return action == "GetTranscodeTask" and "JobIds" in parameters
        if self.kind == "repeat-page" and "PageNo" not in parameters:
            return False
        return self.action in (None, action) and (self.ids is None or self._names_one(parameters))

    def _names_one(self, parameters: Mapping[str, str]) -> bool:
        return any(not {*value.split(",")}.isdisjoint(self.ids or ()) for value in parameters.values())


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(name: str, value: object, right: bool, rule: str) -> None:
    if not right:
        raise ValueError(f"{name} of a fault is {value!r}; it must be {rule}")


class Faults:
    """The active faults in the order they were added. A call meets at most one: the first that applies."""

    def __init__(self, *, seed: int) -> None:
        self._rng = Random(f"{seed}/faults")
        self._lock = Lock()
        self._active: list[Fault] = []
        self._met: list[int] = []

    def add(self, fault: Fault) -> None:
        """Make the fault active. It comes after those that are active already."""
        with self._lock:
            self._active.append(fault)
            self._met.append(0)

    def clear(self) -> None:
        """End all faults."""
        with self._lock:
            self._active.clear()
            self._met.clear()

    def listed(self) -> list[dict[str, object]]:
        """Each fault as a JSON object: its parameters, and in `met` the number of calls that have met it."""
        with self._lock:
            return [
                {name: value for name, value in asdict(fault).items() if value is not None} | {"met": met}
                for fault, met in zip(self._active, self._met, strict=True)
            ]

    def pick(self, action: str, parameters: Mapping[str, str]) -> Fault | None:
        """Return the fault that this call meets, if any, and count it."""
        with self._lock:
            for place, fault in enumerate(self._active):
                spent = fault.count is not None and self._met[place] >= fault.count
                if not spent and fault.meets(action, parameters) and self._rng.random() < fault.share:
                    self._met[place] += 1
                    return fault
        return None
