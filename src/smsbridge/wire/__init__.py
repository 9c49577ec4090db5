"""Bytes as plain values. Nothing in this room opens a socket, reads a clock or knows a carrier."""
