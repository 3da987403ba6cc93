"""The simulated service without its HTTP server: answers API calls, and shows its truth, its clock and its faults."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TypedDict

from exporter.simulator.access import Access, Request
from exporter.simulator.answers import OPERATIONS, answer
from exporter.simulator.clock import Clock
from exporter.simulator.distort import Answer, distort, error_answer, json_answer
from exporter.simulator.faults import Fault, Faults
from exporter.simulator.quota import Quota
from exporter.simulator.refusal import Refusal
from exporter.simulator.scenario import Scenario, named
from exporter.simulator.shapes import Json
from exporter.simulator.templates import GROUPS
from exporter.simulator.truth import summary, truth
from exporter.simulator.world import World

_PAGE = """A simulated ApsaraVideo VOD service.

POST /                    the API; sign requests with the access key {key}
                          ({operations})
GET  /simulator/truth     the true state of every task, as JSON; ?summary=1 returns only counts
GET  /simulator/clock     the clock of the world; POST {{"frozen": true}} stops it, {{"frozen": false}} starts it
GET  /simulator/faults    the active faults; POST {{"kind": "delay", "seconds": 2}} adds one, DELETE removes all

Template groups for SubmitTranscodeJobs:
{groups}
"""

# During an outage, calls alternate between an error answer and a closed connection.
_OUTAGE_FAULTS = (
    Fault(
        kind="code",
        code="ServiceUnavailable",
        message="The request has failed due to a temporary failure of the server.",
    ),
    Fault(kind="close"),
)


class Options(TypedDict, total=False):
    """The keyword arguments of `Service`, for callers that pass them on. `Service` has their meaning and defaults."""

    seed: int
    scenario: str | Scenario
    speed: float
    tasks: int | None
    history: float | None
    access_key_id: str
    access_key_secret: str
    quota: float
    delay: float
    monotonic: Callable[[], float]


class Service:
    """One simulated account. Safe to use from several threads.

    `speed` is how many times faster than real time its world runs. `tasks` limits the number of planned tasks.
    `history` is how many world seconds have passed at the start (None: as in the scenario). `quota` is the number of
    calls per second for each operation (`GetVideoList` gets 50/15 of it; `math.inf` means no quota). `delay` is the
    time in seconds that each API answer takes. `monotonic` is the clock of the world, in seconds; tests replace it.

    Raises `ValueError` for an unknown scenario and for figures out of range.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        scenario: str | Scenario = "steady",
        speed: float = 1.0,
        tasks: int | None = None,
        history: float | None = None,
        access_key_id: str = "simulator",
        access_key_secret: str = "simulator",  # noqa: S107  published: it opens nothing but the simulator
        quota: float = 15.0,
        delay: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        scenario = named(scenario) if isinstance(scenario, str) else scenario
        if history is not None:
            scenario = dataclasses.replace(scenario, history=history)
        self.delay = delay
        self.clock = Clock(speed=speed, monotonic=monotonic)
        self.world = World(seed=seed, scenario=scenario, clock=self.clock, tasks=tasks)
        self.faults = Faults(seed=seed)
        self.quota = Quota(quota, taken=scenario.quota_taken)
        self.access = Access(access_key_id=access_key_id, access_key_secret=access_key_secret)
        self.page = _PAGE.format(
            key=access_key_id,
            operations=", ".join(OPERATIONS),
            groups="\n".join(f"{group.id}  {group.name}" for group in GROUPS),
        )
        self._outage = scenario.outage
        self._started = time.monotonic()
        self._outage_faults = itertools.cycle(_OUTAGE_FAULTS)

    def call(self, request: Request) -> tuple[Answer, Fault | None]:
        """Return the answer to an API call, and the fault that decides how the answer is sent."""
        request_id = str(uuid.uuid4()).upper()
        action = request.action
        fault = None
        parameters = request.parameters
        if action in OPERATIONS:
            self.quota.count(action)
            fault = self.faults.pick(action, parameters) or self._outage_fault()
            if fault is not None and fault.kind == "repeat-page":
                parameters = {**parameters, "PageNo": "1"}
        try:
            true = json_answer(200, {"RequestId": request_id, **self._answer(request, parameters)})
        except Refusal as refusal:
            true = error_answer(refusal.status, code=refusal.code, message=refusal.message, request_id=request_id)
        return (true if fault is None else distort(fault, true, request_id=request_id)), fault

    def _outage_fault(self) -> Fault | None:
        """The fault that a call meets during an outage of the scenario; None while the service is up."""
        down = self._outage is not None and self._outage.on(time.monotonic() - self._started)
        return next(self._outage_faults) if down else None

    def _answer(self, request: Request, parameters: Mapping[str, str]) -> Json:
        if request.action not in OPERATIONS:
            raise Refusal("InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
        self.access.check(request)
        self.quota.spend(request.action)
        return answer(self.world, request.action, parameters)

    def truth(self, *, only_counts: bool) -> Answer:
        """The true state of the world and the counters of calls, as JSON; see `exporter.simulator.truth`."""
        state = summary(self.world) if only_counts else truth(self.world)
        counters = {
            "calls": dict(self.quota.calls),
            "throttled": dict(self.quota.throttled),
            "peak": dict(self.quota.peak),
        }
        return json_answer(200, state | counters)

    def show_clock(self) -> Answer:
        """The clock of the world as JSON: `frozen`, `now` in Unix seconds, `speed`."""
        now = self.clock.wall(self.clock.now())
        return json_answer(200, {"frozen": self.clock.frozen, "now": now, "speed": self.clock.speed})

    def set_clock(self, body: bytes) -> Answer:
        """Stop or start the clock as the JSON body says. Raises `ValueError` for any other body."""
        value = json.loads(body)
        if not isinstance(value, dict) or set(value) != {"frozen"} or not isinstance(value["frozen"], bool):
            raise ValueError('the body must be {"frozen": true} or {"frozen": false}')
        if value["frozen"]:
            self.clock.freeze()
        else:
            self.clock.resume()
        return self.show_clock()

    def show_faults(self) -> Answer:
        """The active faults as JSON, with the number of calls that each has met."""
        return json_answer(200, self.faults.listed())

    def add_fault(self, body: bytes) -> Answer:
        """Add the fault in the JSON body. Raises `ValueError` if it is malformed."""
        self.faults.add(Fault.parse(json.loads(body)))
        return self.show_faults()

    def clear_faults(self) -> Answer:
        """Remove all faults."""
        self.faults.clear()
        return self.show_faults()
