"""Every metric is in one table; code, pages, dashboard and alerts know no other."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import smsbridge
from smsbridge import __version__
from smsbridge.metrics import METRICS, PREFIX, PrometheusMeter

SOURCE = Path(smsbridge.__file__).parent
ROOT = Path(__file__).parents[2]
SUFFIXES = ("_bucket", "_count", "_sum")


def samples(meter: PrometheusMeter) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(meter.render().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def calls_of_meters() -> Iterator[tuple[str, str, str, frozenset[str]]]:
    """File, method, metric and labels of each call in the source."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"count", "observe", "set"}
                and "meter" in ast.unparse(node.func.value)
            ):
                name = node.args[0]
                assert isinstance(name, ast.Constant), f"{file.name}: the name of a metric is written out"
                yield file.name, node.func.attr, str(name.value), frozenset(word.arg or "" for word in node.keywords)


def test_the_code_counts_only_what_is_in_the_table_with_its_labels() -> None:
    calls = list(calls_of_meters())
    assert len(calls) > 20
    methods = {"counter": "count", "histogram": "observe", "gauge": "set"}
    for file, method, name, labels in calls:
        assert name in METRICS, f"{file}: {name}"
        assert method == methods[METRICS[name].kind], f"{file}: {name} is a {METRICS[name].kind}"
        assert labels == set(METRICS[name].labels), f"{file}: {name}"


def test_what_was_counted_is_rendered() -> None:
    meter = PrometheusMeter()
    meter.count("notices_total", kind="undelivered")
    meter.count("notices_total", 2, kind="undelivered")
    meter.observe("db_commit_seconds", 0.002)
    meter.set("ready", 1)
    found = samples(meter)
    assert found[f"{PREFIX}notices_total", (("kind", "undelivered"),)] == 3
    assert found[f"{PREFIX}db_commit_seconds_bucket", (("le", "0.0025"),)] == 1
    assert found[f"{PREFIX}db_commit_seconds_bucket", (("le", "0.001"),)] == 0
    assert found[f"{PREFIX}ready", ()] == 1
    (info,) = [dict(labels) for name, labels in found if name == f"{PREFIX}build_info"]
    assert info["version"] == __version__
    assert any(name == "process_open_fds" for name, _ in found)


def test_two_meters_share_nothing() -> None:
    first, second = PrometheusMeter(), PrometheusMeter()
    first.set("dead_letters", 7)
    assert samples(second)[f"{PREFIX}dead_letters", ()] == 0


def test_a_gauge_forgets_what_is_gone() -> None:
    meter = PrometheusMeter()
    meter.set("queue_lanes", 3, queue="send:twilio")
    meter.forget("queue_lanes")
    meter.set("queue_lanes", 1, queue="media")
    assert [labels for name, labels in samples(meter) if name == f"{PREFIX}queue_lanes"] == [(("queue", "media"),)]


def test_the_disk_is_looked_at_when_the_metrics_are_read(tmp_path: Path) -> None:
    database = tmp_path / "x.sqlite3"
    meter = PrometheusMeter(data_dir=tmp_path, database=database)
    assert samples(meter)[f"{PREFIX}storage_free_bytes", ()] > 0
    database.write_bytes(b"x" * 100)
    Path(f"{database}-wal").write_bytes(b"x" * 7)
    found = samples(meter)
    assert found[f"{PREFIX}db_file_bytes", (("file", "database"),)] == 100
    assert found[f"{PREFIX}db_file_bytes", (("file", "log"),)] == 7


@pytest.mark.parametrize("labels", [{}, {"kind": "x", "more": "y"}, {"sort": "x"}])
def test_a_wrong_label_is_a_bug(labels: dict[str, str]) -> None:
    meter = PrometheusMeter()
    meter.count("notices_total", kind="x")
    with pytest.raises((ValueError, KeyError)):
        meter.count("notices_total", **labels)


def test_a_metric_that_is_not_in_the_table_is_a_bug() -> None:
    meter = PrometheusMeter()
    with pytest.raises(KeyError):
        meter.count("nonsense_total")
    with pytest.raises(KeyError):
        meter.set("notices_total", 1, kind="x")


def test_names_follow_the_conventions_of_prometheus() -> None:
    """https://prometheus.io/docs/practices/naming/"""
    for name, metric in METRICS.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert bool(metric.buckets) == (metric.kind == "histogram"), name
        assert list(metric.buckets) == sorted(metric.buckets)
        assert not set(metric.labels) & {"number", "id", "url", "to", "from"}


# --- pages, dashboard, alerts


def names_in(text: str) -> set[str]:
    """Without the suffixes under which a histogram is asked for."""
    found = set(re.findall(rf"\b{PREFIX}([a-z_]+)", text))
    bases = {name: next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name) for name in found}
    return {base if METRICS.get(base) and METRICS[base].kind == "histogram" else name for name, base in bases.items()}


def test_the_page_lists_every_metric_as_it_is() -> None:
    page = (ROOT / "docs/metrics.md").read_text("utf-8")
    for name, metric in METRICS.items():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{PREFIX}{name}` | {metric.kind} | {labels} | {metric.help} |" in page, name
    assert names_in(page) <= METRICS.keys()


@pytest.mark.parametrize("file", ["config/grafana/smsbridge.json", "config/prometheus/alerts.yml"])
def test_the_dashboard_and_the_alerts_ask_for_what_there_is(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert names_in(text)
    assert names_in(text) <= METRICS.keys()
    for metric, labels in re.findall(rf"{PREFIX}([a-z_]+)\{{([^}}]*)\}}", text):
        (name,) = names_in(PREFIX + metric)
        assert set(re.findall(r"([a-z_]+)\s*=~?", labels)) <= {*METRICS[name].labels, "le"}, name


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((ROOT / "config/grafana/smsbridge.json").read_text("utf-8"))
    assert dashboard["uid"] == "smsbridge"
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_every_alert_says_what_to_do_and_the_page_exists() -> None:
    alerts = (ROOT / "config/prometheus/alerts.yml").read_text("utf-8")
    names = re.findall(r"- alert: (\w+)", alerts)
    pages = re.findall(r"runbook: (\S+)", alerts)
    assert len(names) == len(set(names)) == len(pages) == alerts.count("summary:") == alerts.count("expr:")
    for page in pages:
        path, _, anchor = page.partition("#")
        text = (ROOT / path).read_text("utf-8")
        headings = {
            re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in headings, page
