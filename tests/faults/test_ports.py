"""A port that a test was given is nobody else's, whatever else runs on this machine."""

from __future__ import annotations

import socket
import struct

import pytest

from ports import free_port

IP_LOCAL_PORT_RANGE = 51
"""linux/in.h, since Linux 6.3: between which ports the system chooses for this socket."""


def who_can_only_be_given(port: int) -> socket.socket:
    asking = socket.socket()
    try:
        asking.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=I", port << 16 | port))
    except OSError:
        asking.close()
        pytest.skip("this system does not let a test say which port it would be given")
    return asking


def test_it_can_be_listened_at_again_and_again_and_refuses_in_between() -> None:
    port = free_port()
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()


def test_no_server_that_takes_any_port_is_given_it() -> None:
    with who_can_only_be_given(free_port()) as asking, pytest.raises(OSError, match="in use"):
        asking.bind(("127.0.0.1", 0))


def test_nobody_who_calls_is_given_it() -> None:
    with (
        who_can_only_be_given(free_port()) as asking,
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(OSError, match="assign"),
    ):
        asking.connect(server.getsockname())
