"""What any replica accepts for an account reaches its holder, and leaves the inbox with what it led to."""

from __future__ import annotations

from exporter.errors import StateError
from exporter.metrics.telemetry import Telemetry
from exporter.model import EndedJob, Job, Task
from exporter.scrape.inbox import Happened, Inbox, Remote
from exporter.snapshot import Total
from exporter.tracking.holdings import Holding, Message
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import Changes, MemoryStore
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Videos
from tests.conftest import NOW


class Database(MemoryStore):
    """A store with an inbox, which may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[int, bytes] = {}
        self.works = True

    def post(self, _: str, text: bytes) -> None:
        self.messages[len(self.messages)] = text

    def save(self, account: str, changes: Changes) -> None:
        if not self.works:
            raise StateError("the database has ended")
        super().save(account, changes)
        for number in changes.messages:
            del self.messages[number]

    def waiting(self) -> list[Message]:
        return [Message(number, text) for number, text in self.messages.items()]


class Holder:
    """The holder of an account, with a ledger that is new after each `load`."""

    def __init__(self, store: Database) -> None:
        self.store = store
        self.load()

    def load(self) -> None:
        self.store.works = True
        self.telemetry = Telemetry()
        self.ledger = Ledger("prod", store=self.store, clock=lambda: NOW)
        self.videos = Videos(interval=30.0, lookback=86400.0, dropped=lambda: None)
        holding = Holding(self.store, lambda: self.store.works, self.store.waiting)
        tracker = Tracker(self.ledger, self.videos)
        self.inbox = Inbox("prod", holding, tracker, self.telemetry.account("prod"))

    def tracked(self) -> list[str]:
        return [task_id for task_id, *_ in self.ledger.tasks()]


def test_registrations_and_deletions_of_other_replicas_are_applied_in_their_order() -> None:
    store = Database()
    remote, holder = Remote("prod", "a", store.post), Holder(store)
    remote.register(["x", "y"])
    remote.delete("x")
    holder.inbox.take()
    holder.ledger.view()

    assert (holder.tracked(), store.messages) == (["y"], {})


def test_an_event_counts_its_times_and_its_type_at_the_holder() -> None:
    store = Database()
    remote, holder = Remote("prod", "a", store.post), Holder(store)
    holder.ledger.register(["t"], source="api")
    jobs = (Job("j", "HD", "TranscodeSuccess", created=NOW),)
    holder.ledger.observe_task("t", Task("t", status="CompleteAllSucc", jobs=jobs))
    event = Happened("StreamTranscodeComplete", "v", (EndedJob("j", processing=12.0, started=NOW),))
    remote.event(event)
    remote.event(event)  # VOD has sent it to another replica again
    holder.inbox.take()
    view = holder.ledger.view()

    assert view.totals.histograms[Total.JOB_PROCESSING, ("HD",)].sum == 12.0
    assert store.messages == {}
    labels = {"account": "prod", "event": "StreamTranscodeComplete"}
    assert holder.telemetry.registry.get_sample_value("vod_exporter_events_total", labels) == 2


def test_a_message_stays_until_what_it_led_to_is_saved_and_the_next_holder_takes_it() -> None:
    store = Database()
    remote, holder = Remote("prod", "a", store.post), Holder(store)
    remote.register(["x"])
    store.works = False
    holder.inbox.take()
    assert len(store.messages) == 1

    holder.load()
    holder.inbox.take()

    assert (holder.tracked(), store.messages) == (["x"], {})


def test_a_message_of_a_newer_exporter_is_dropped_and_the_others_are_taken() -> None:
    store = Database()
    remote, holder = Remote("prod", "a", store.post), Holder(store)
    store.post("prod", b'{"kind": "unknown"}')
    remote.register(["x"])
    holder.inbox.take()
    holder.ledger.view()

    assert (holder.tracked(), store.messages) == (["x"], {})
