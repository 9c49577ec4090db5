"""smsbridge: a durable bridge between SMS carriers and agent desktops."""

__version__ = "0.1.0"
