"""`python -m smsbridge` is `smsbridge`."""

from __future__ import annotations

from smsbridge.cli import main

if __name__ == "__main__":
    main(prog_name="smsbridge")
