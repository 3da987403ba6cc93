"""What any replica accepts for an account, and its holder takes: registrations, deletions and events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from exporter.errors import StateError
from exporter.metrics.account_telemetry import AccountTelemetry
from exporter.model import API, EVENTS, EndedJob
from exporter.tracking.holdings import Holding
from exporter.tracking.tracker import Tracker

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """Tasks to track."""

    task_ids: tuple[str, ...]
    kind: Literal["registration"] = "registration"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A task that is not to be tracked any more."""

    task_id: str
    kind: Literal["deletion"] = "deletion"


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of VOD: see `vod.events.Event`."""

    type: str
    video_id: str
    jobs: tuple[EndedJob, ...]
    malformed: tuple[str, ...] = ()
    kind: Literal["event"] = "event"


_messages: TypeAdapter[Registration | Deletion | Happened] = TypeAdapter(
    Annotated[Registration | Deletion | Happened, Field(discriminator="kind")]
)


@dataclass(frozen=True, slots=True)
class Remote:
    """An account that another replica holds, `holder`, or none (`""`). What is asked of it goes into its inbox.

    `post` is that of `Holdings`. Every method raises `StateError` if the message cannot be stored.
    """

    name: str
    holder: str
    post: Callable[[str, bytes], None]

    def register(self, task_ids: Sequence[str]) -> None:
        """See `Ledger.register`. The holder decides whether the tasks are tracked."""
        self._send(Registration(tuple(task_ids)))

    def delete(self, task_id: str) -> None:
        """See `Ledger.delete`."""
        self._send(Deletion(task_id))

    def event(self, event: Happened) -> None:
        """See `Account.event`."""
        self._send(event)

    def _send(self, message: Registration | Deletion | Happened) -> None:
        self.post(self.name, _messages.dump_json(message))


class Inbox:
    """The messages for one account. Each is taken in the transaction that saves what it led to."""

    def __init__(self, account: str, holding: Holding, tracker: Tracker, recorder: AccountTelemetry) -> None:
        self._account = account
        self._holding = holding
        self._ledger = tracker.ledger
        self._videos = tracker.videos
        self._recorder = recorder

    def take(self) -> None:
        """Apply all messages that wait. After a fault of the database the next holder applies them."""
        try:
            messages = self._holding.messages()
        except StateError:
            return  # whoever lost the account has logged it
        for message in messages:
            try:
                with self._ledger.taking(message.number):
                    self._apply(_messages.validate_json(message.text))
            except (StateError, ValidationError) as error:
                if not self._holding.valid():
                    return
                _log.error("message dropped", extra={"account": self._account, "error": str(error).splitlines()[0]})

    def _apply(self, message: Registration | Deletion | Happened) -> None:
        match message:
            case Registration():
                self._ledger.register(message.task_ids, source=API)
            case Deletion():
                self._ledger.delete(message.task_id)
            case Happened():
                self._recorder.event(message.type)
                self._recorder.malformed(message.malformed)
                known = self._ledger.observe_event(*message.jobs) and bool(message.jobs)
                if not known and message.video_id:
                    self._videos.prioritize(message.video_id, source=EVENTS)
