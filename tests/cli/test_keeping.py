"""backup and restore as somebody types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.test_running import in_store
from smsbridge.flows.restored import is_sending_paused


def test_a_backup_of_a_running_bridge_is_put_back_and_sending_waits_for_the_word(place: Any, tmp_path: Path) -> None:
    kept = place.ask("keys", "create", "--name", "kept")["id"]
    with place.serving():
        made = place.run("backup", str(tmp_path / "backups"))
        assert made.exit_code == 0, made.output
        folder = made.stdout.strip()
        assert Path(folder).parent == tmp_path / "backups"
        later = place.ask("keys", "create", "--name", "later")["id"]
        refused = place.run("restore", "from", folder)
        assert refused.exit_code == 75
        assert "in use by another smsbridge process" in refused.stderr
    assert {each["id"] for each in place.ask("keys", "list")} == {kept, later}
    done = place.run("restore", "from", folder)
    assert done.exit_code == 0, done.output
    assert "0 texts that were on their way" in done.stderr
    assert "smsbridge restore finish" in done.stderr
    assert {each["id"] for each in place.ask("keys", "list")} == {kept}
    assert in_store(place.folder, is_sending_paused)
    with place.process("serve") as daemon:
        try:
            assert '"sending.paused"' in daemon.stderr.readline()
            assert '"bridge.started"' in daemon.stderr.readline()
            assert place.run("restore", "finish").stdout == "Texts leave again.\n"
        finally:
            daemon.kill()
    assert place.run("restore", "finish").stdout == "Sending was not paused.\n"


def test_a_database_that_was_restored_by_other_means_is_marked(place: Any) -> None:
    marked = place.ask("restore", "mark", "--as-of", "2026-09-21T14:13:20Z")
    assert marked == {"uncertain": 0, "as_of": "2026-09-21T14:13:20.000Z"}
    assert in_store(place.folder, is_sending_paused)
    assert place.run("restore", "mark", "--as-of", "yesterday").exit_code == 2
    assert place.run("restore", "mark", "--as-of", "2999-01-01").exit_code == 1


def test_what_is_no_backup_changes_nothing(place: Any, tmp_path: Path) -> None:
    before = place.ask("keys", "create", "--name", "kept")["id"]
    (tmp_path / "empty").mkdir()
    refused = place.run("restore", "from", str(tmp_path / "empty"))
    assert refused.exit_code == 1
    assert "is no backup: manifest.json is not in it. Name the folder that" in refused.stderr
    assert [each["id"] for each in place.ask("keys", "list")] == [before]


def test_a_backup_of_nothing_says_so(place: Any, tmp_path: Path) -> None:
    refused = place.run("backup", str(tmp_path / "backups"))
    assert refused.exit_code == 1
    assert "There is no database" in refused.stderr
