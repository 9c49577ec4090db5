"""What is counted: one literal table, and the meter that fills it. docs/metrics.md is held to this table by a test."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from smsbridge import __version__

PREFIX: Final = "smsbridge_"
M = TypeVar("M", Counter, Gauge, Histogram)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """`kind` counter, gauge or histogram; seconds and bytes are said in the name."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_LAG: Final = (0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200, 14_400)

METRICS: Final[dict[str, Metric]] = {
    # --- the edge
    "webhook_requests_total": Metric(
        kind="counter",
        help="Events in carriers' and desktops' webhooks, by what became of them.",
        labels=("carrier", "kind", "outcome"),
    ),
    "webhook_ack_seconds": Metric(
        kind="histogram", help="From the first byte of a webhook to its answer.", labels=("carrier",), buckets=_FAST
    ),
    "api_requests_total": Metric(
        kind="counter", help="REST requests by route and status.", labels=("route", "method", "code")
    ),
    "api_request_seconds": Metric(kind="histogram", help="REST requests.", labels=("route", "method"), buckets=_FAST),
    "auth_failures_total": Metric(
        kind="counter", help="Requests that could not prove who sent them.", labels=("surface", "reason")
    ),
    "idempotency_total": Metric(
        kind="counter", help="Requests with an Idempotency-Key, by what was found.", labels=("outcome",)
    ),
    "slow_clients_closed_total": Metric(
        kind="counter", help="Connections cut for being slow or too many.", labels=("surface",)
    ),
    # --- carriers and desktops
    "carrier_requests_total": Metric(
        kind="counter", help="Requests to carriers, by how they ended.", labels=("carrier", "operation", "outcome")
    ),
    "carrier_request_seconds": Metric(
        kind="histogram", help="Requests to carriers.", labels=("carrier", "operation"), buckets=_SLOW
    ),
    "desktop_requests_total": Metric(
        kind="counter", help="Deliveries to desktops, by how they ended.", labels=("desktop", "outcome")
    ),
    "desktop_request_seconds": Metric(
        kind="histogram", help="Deliveries to desktops.", labels=("desktop",), buckets=_SLOW
    ),
    "events_parked_total": Metric(
        kind="counter", help="Events that a desktop refused while it took others.", labels=("desktop",)
    ),
    "circuit_open": Metric(
        kind="gauge", help="1 while a carrier or desktop does not work and is only probed.", labels=("target",)
    ),
    "target_held_seconds": Metric(
        kind="gauge", help="How much longer a carrier or desktop has asked us to wait.", labels=("target",)
    ),
    "delivery_lag_seconds": Metric(
        kind="histogram", help="From an event to its acknowledgement.", labels=("hop",), buckets=_LAG
    ),
    # --- messages
    "receipts_total": Metric(
        kind="counter", help="Receipts by status and by what they told.", labels=("carrier", "status", "outcome")
    ),
    "unknown_codes_total": Metric(
        kind="counter", help="Failures with an error code that is in no table.", labels=("carrier",)
    ),
    "notices_total": Metric(kind="counter", help="Notices raised.", labels=("kind",)),
    "suppressed_sends_total": Metric(kind="counter", help="Texts refused at once, by cause.", labels=("reason",)),
    "rerouted_total": Metric(
        kind="counter",
        help="Texts that an account did not take and its second one was given.",
        labels=("carrier", "through", "cause"),
    ),
    "joined_texts_total": Metric(
        kind="counter",
        help="Long texts that came in parts: whole, or incomplete because a part did not come in time.",
        labels=("carrier", "outcome"),
    ),
    "optouts_total": Metric(kind="counter", help="STOP and START.", labels=("action",)),
    "uncertain_resolved_total": Metric(
        kind="counter", help="Uncertain sends that were settled, and how.", labels=("carrier", "how")
    ),
    "catch_up_texts_total": Metric(
        kind="counter",
        help="Texts that were not pushed and were found by asking the carrier: whole, or with their words withheld.",
        labels=("carrier", "outcome"),
    ),
    "catch_up_gaps_total": Metric(
        kind="counter", help="Stretches of time for which texts may be missing, by why.", labels=("carrier", "reason")
    ),
    "media_bytes_total": Metric(kind="counter", help="Bytes of attachments.", labels=("direction", "outcome")),
    "media_rejected_total": Metric(kind="counter", help="Attachments that were not taken, by why.", labels=("reason",)),
    # --- the outbox and the store
    "jobs_total": Metric(kind="counter", help="Attempts of jobs, by how they ended.", labels=("kind", "end")),
    "job_crashes_total": Metric(kind="counter", help="Jobs that ended in a bug of ours.", labels=("kind",)),
    "lanes_taken_over_total": Metric(kind="counter", help="Lanes taken over from a daemon that fell silent."),
    "db_overtaken_total": Metric(kind="counter", help="Transactions run again because another one was quicker."),
    "spool_depth": Metric(kind="gauge", help="Webhooks that wait for the database to come back."),
    "spool_replayed_total": Metric(
        kind="counter", help="Webhooks taken up from the spool.", labels=("carrier", "outcome")
    ),
    "fenced_writes_total": Metric(
        kind="counter", help="Ends of jobs refused because the lease was lost.", labels=("queue",)
    ),
    "queue_lanes": Metric(kind="gauge", help="Lanes with work, by queue.", labels=("queue",)),
    "queue_due_lanes": Metric(kind="gauge", help="Lanes whose work is due now.", labels=("queue",)),
    "queue_oldest_seconds": Metric(kind="gauge", help="How long the longest due work has waited.", labels=("queue",)),
    "dead_letters": Metric(kind="gauge", help="Jobs given up that nobody has looked after."),
    "db_commit_seconds": Metric(kind="histogram", help="Commits.", buckets=_FAST),
    "db_transactions_total": Metric(kind="counter", help="Transactions committed."),
    "db_file_bytes": Metric(kind="gauge", help="Size of the database and of its write-ahead log.", labels=("file",)),
    "storage_free_bytes": Metric(kind="gauge", help="Free space where data_dir lies."),
    "storage_room": Metric(kind="gauge", help="2: room for all; 1: agents' texts are refused; 0: contacts' too."),
    # --- the process
    "clock_jumps_total": Metric(
        kind="counter", help="How often the wall clock was set by more than two seconds.", labels=("direction",)
    ),
    "sending_paused": Metric(kind="gauge", help="1 after a restore, until somebody says that texts may leave again."),
    "ready": Metric(kind="gauge", help="1 when webhooks can be kept."),
    "degraded": Metric(
        kind="gauge", help="1 while webhooks are kept in the spool alone, because the database cannot be reached."
    ),
    "build_info": Metric(
        kind="gauge", help="Always 1; the labels say what runs.", labels=("version", "python", "sqlite")
    ),
}


class PrometheusMeter:
    """contracts.meter.Meter on a registry of its own. An unknown name or label is a bug and raises.

    `data_dir` and `database` are looked at whenever the metrics are read.
    """

    def __init__(self, *, data_dir: Path | None = None, database: Path | None = None) -> None:
        self._data_dir = data_dir
        self._database = database
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._counters = {name: self._make(name, Counter) for name, each in METRICS.items() if each.kind == "counter"}
        self._gauges = {name: self._make(name, Gauge) for name, each in METRICS.items() if each.kind == "gauge"}
        self._histograms = {
            name: Histogram(PREFIX + name, each.help, each.labels, registry=self._registry, buckets=each.buckets)
            for name, each in METRICS.items()
            if each.kind == "histogram"
        }
        # Looking up a metric's child by its labels is most of what counting costs: they are kept.
        self._children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self.set("build_info", 1, version=__version__, python=platform.python_version(), sqlite=sqlite3.sqlite_version)

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self._child(self._counters[name], name, labels).inc(amount)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        self._child(self._histograms[name], name, labels).observe(value)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        self._child(self._gauges[name], name, labels).set(value)

    def forget(self, name: str) -> None:
        """Drops every child of a gauge: a queue that is empty has no row to say so."""
        self._gauges[name].clear()
        self._children = {key: child for key, child in self._children.items() if key[0] != name}

    def render(self) -> bytes:
        """The Prometheus text format, version 0.0.4."""
        self._look_at_disk()
        rendered: bytes = generate_latest(self._registry)
        return rendered

    def _look_at_disk(self) -> None:
        with suppress(OSError):
            if self._data_dir is not None:
                self.set("storage_free_bytes", shutil.disk_usage(self._data_dir).free)
        for file, suffix in (("database", ""), ("log", "-wal")):
            with suppress(OSError):
                if self._database is not None:
                    size = Path(f"{self._database}{suffix}").stat().st_size
                    self.set("db_file_bytes", size, file=file)

    def _make(self, name: str, kind: type[M]) -> M:
        metric = METRICS[name]
        return kind(PREFIX + name, metric.help, metric.labels, registry=self._registry)

    def _child(self, metric: M, name: str, labels: dict[str, str]) -> M:
        wanted: tuple[str, ...] = METRICS[name].labels
        if len(labels) != len(wanted):
            raise ValueError(f"{name} has the labels {wanted}, not {tuple(labels)}")
        if not labels:
            return metric
        key = (name, *map(labels.__getitem__, wanted))
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(**labels)
        return child  # type: ignore[return-value] # one name is always one kind
