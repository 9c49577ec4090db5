"""A transaction may be run again, and may be taken back: what it counts waits until it is kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import smsbridge

SOURCE = Path(smsbridge.__file__).parent


def test_nothing_is_counted_within_a_transaction() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    transactions = [(path, node) for path, tree in trees.items() for node in ast.walk(tree) if takes_tx(node)]
    assert len(transactions) > 100
    counting = {f"{path.relative_to(SOURCE)}:{line}" for path, node in transactions for line in lines_that_count(node)}
    assert counting == set(), "say it with tx.afterwards"


def test_what_is_counted_within_one_is_found() -> None:
    found = ast.parse(
        "def write(tx, bridge):\n tx.afterwards(lambda: bridge.meter.count('a'))\n bridge.meter.count('b')"
    )
    assert list(lines_that_count(found)) == [3]


def takes_tx(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.Lambda)) and "tx" in {each.arg for each in node.args.args}


def lines_that_count(node: ast.AST) -> Iterator[int]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "afterwards":
        return
    if isinstance(node, ast.Attribute) and node.attr in ("meter", "_meter"):
        yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from lines_that_count(child)
