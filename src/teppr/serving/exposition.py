"""The service's numbers as Prometheus reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from teppr.serving.meter import BOUNDS_S, REQUEST_S, REQUESTS, REST, SUM_US, WAIT_S, Reading

CONTENT_TYPE = CONTENT_TYPE_LATEST


def expose(reading: Reading) -> bytes:
    """The page that a scraper reads."""
    registry = CollectorRegistry()
    registry.register(_Numbers(reading))
    return generate_latest(registry)


@dataclass(frozen=True, eq=False)  # the registry keeps it by identity
class _Numbers:
    """What the registry asks, once."""

    reading: Reading

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield self._times(REQUEST_S, "From a request's first byte to its answer's last.", ["route", "model"])
        yield self._times(WAIT_S, "In the queue, of requests that were waited for.", ["model", "priority"])
        yield from self._queue()
        yield from self._servers()

    def _requests(self) -> Iterator[Metric]:
        counted = CounterMetricFamily(
            "teppr_requests", "By operation of the OpenAPI document.", labels=["route", "model", "status"]
        )
        for (name, *values), count in sorted(self.reading.counts.items(), key=str):
            if name == REQUESTS:
                counted.add_metric([str(value) for value in values], count)
        yield counted

    def _times(self, name: str, says: str, labels: list[str]) -> Metric:
        times = HistogramMetricFamily(f"teppr_{name}", says, labels=labels)
        sorted_in: dict[tuple[str, ...], dict[object, int]] = defaultdict(dict)
        for (kind, *values, bucket), count in self.reading.counts.items():
            if kind == name:
                sorted_in[tuple(values)][bucket] = count
        for labelled, counts in sorted(sorted_in.items()):
            buckets, below = [], 0
            for bound, word in [*((bound, str(bound)) for bound in BOUNDS_S), (REST, "+Inf")]:
                below += counts.get(bound, 0)
                buckets.append((word, below))
            times.add_metric(list(labelled), buckets, counts.get(SUM_US, 0) / 1_000_000)
        return times

    def _queue(self) -> Iterator[Metric]:
        tasks = CounterMetricFamily("teppr_tasks", "What became of tasks in the queue.", labels=["what"])
        for word, count in self.reading.tasks.items():
            tasks.add_metric([word], count)
        yield tasks
        lengths = GaugeMetricFamily(
            "teppr_queue_length", "Tasks that wait or are under way.", labels=["model", "priority"]
        )
        for (key, priority), length in self.reading.lengths.items():
            lengths.add_metric([key, priority], length)
        yield lengths

    def _servers(self) -> Iterator[Metric]:
        alive = GaugeMetricFamily("teppr_model_servers", "Model servers that live.", labels=["model"])
        speed = GaugeMetricFamily(
            "teppr_model_images_per_second",
            "What a server does of a model while it has work, by its mean time of late.",
            labels=["model", "server"],
        )
        largest = GaugeMetricFamily("teppr_model_max_batch", "Images a batch, at most.", labels=["model", "server"])
        memory = GaugeMetricFamily("teppr_model_server_memory_bytes", "Resident.", labels=["server"])
        images = CounterMetricFamily("teppr_model_server_images", "Answered since it started.", labels=["server"])
        alive_by_key: dict[str, int] = defaultdict(int)
        for server in self.reading.servers:
            memory.add_metric([server.name], server.memory_bytes)
            images.add_metric([server.name], server.images)
            for model in server.models:
                key = model.card.key
                alive_by_key[key] += 1
                largest.add_metric([key, server.name], model.max_batch)
                if image_s := server.image_s.get(key):
                    speed.add_metric([key, server.name], 1 / image_s)
        for key, count in sorted(alive_by_key.items()):
            alive.add_metric([key], count)
        yield from (alive, speed, largest, memory, images)
