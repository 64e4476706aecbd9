"""What SPU's connections are carried in: bytes come out as they went in, and a peer that breaks the rules is an error."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from conclave.cheetah.tunnel import HEAD, PIECE_BYTES, Tunnel, What
from conclave.mpc.channel import Kind
from conclave.mpc.errors import DeadlineExceeded, FrameError, ProtocolError
from conclave.mpc.inprocess import connect_all

PAIR = ("alpha", "bravo")
LONG_S = 300.0


def echo(listener):
    """Send back what the other side's SPU says, as long as it does."""
    sock, _ = listener.accept()
    with sock:
        while piece := sock.recv(PIECE_BYTES):
            sock.sendall(piece)


def asked(path, message):
    """Say a message to the other side's SPU, and return what comes back."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sending = threading.Thread(target=sock.sendall, args=(message,))
        sending.start()
        back = bytearray()
        while len(back) < len(message):
            back += sock.recv(PIECE_BYTES)
        sending.join()
        return bytes(back)


def one_side(network, folder, index, message):
    """Be SPU and its worker on one side."""
    folder.mkdir()
    own, other = folder / "own", folder / "other"
    reading, writing = os.pipe()
    with closing(network), socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(2) as pool:
        listener.bind(str(own))
        listener.listen()
        (channel,) = network.channels.values()
        tunnel = Tunnel(channel, own, other, index == 0, LONG_S)
        with closing(tunnel):
            answering, asking = pool.submit(echo, listener), pool.submit(asked, other, message)
            asking.add_done_callback(lambda _: (answering.result(), os.close(writing)))
            tunnel.run(reading, lambda: os.read(reading, 1) == b"")
            return asking.result()


def test_what_goes_in_on_one_side_comes_out_on_the_other(tmp_path):
    networks = connect_all(PAIR, LONG_S)
    messages = [os.urandom(3 * PIECE_BYTES + 7), os.urandom(5)]
    with ThreadPoolExecutor(2) as pool:
        sides = [pool.submit(one_side, networks[name], tmp_path / name, k, messages[k]) for k, name in enumerate(PAIR)]
        assert [side.result(LONG_S) for side in sides] == messages


@pytest.mark.parametrize(
    "frame",
    [
        HEAD.pack(9, 0),
        HEAD.pack(What.OPEN, 0),  # a name that only this side may give
        b"\x01",
        HEAD.pack(What.DATA, 1) + bytes(PIECE_BYTES + 1),
    ],
)
def test_a_peer_that_breaks_the_rules_ends_the_run(tmp_path, frame):
    error = what_becomes_of(tmp_path, frame, LONG_S)
    assert isinstance(error, FrameError)


def test_a_peer_that_is_silent_is_an_error_and_not_waited_for(tmp_path):
    assert isinstance(what_becomes_of(tmp_path, None, 0.1), DeadlineExceeded)


def what_becomes_of(folder, frame, timeout_s):
    networks = connect_all(PAIR, LONG_S)
    reading, writing = os.pipe()
    with closing(networks["alpha"]), closing(networks["bravo"]):
        tunnel = Tunnel(networks["alpha"].channels["bravo"], folder / "own", folder / "other", True, timeout_s)
        if frame is not None:
            channel = networks["bravo"].channels["alpha"]
            channel.begin_send(Kind.TUNNEL, frame)
            channel.pump()
        with closing(tunnel), pytest.raises(ProtocolError) as caught:
            tunnel.run(reading, lambda: False)
    os.close(reading)
    os.close(writing)
    return caught.value
