"""A raw HTTP/2 client for tests: it does what libraries would not.

Frames are written by hand (RFC 9113), headers as literals without compression
(RFC 7541, 6.2.2), so that nothing has to be installed and nothing is corrected.
"""

from __future__ import annotations

import select
import socket
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 3, 4, 6, 7, 8, 9)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVICE = "/resnetd.v1.ClassificationService/"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return (struct.pack(">I", len(payload))[1:] + bytes((kind, flags))
            + struct.pack(">I", stream) + payload)


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """An integer of HPACK in a prefix of so many bits."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes((first | value,))
    coded = bytearray((first | most,))
    value -= most
    while value >= 128:
        coded.append(value % 128 + 128)
        value //= 128
    coded.append(value)
    return bytes(coded)


def header(name: str, value: str) -> bytes:
    """A literal header field that no table remembers."""
    return (b"\0" + integer(len(name), 7) + name.encode()
            + integer(len(value), 7) + value.encode())


def call_headers(method: str, *more: tuple[str, str]) -> bytes:
    """The header block that begins a call of gRPC."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", SERVICE + method),
              (":authority", "test"), ("content-type", "application/grpc"),
              ("te", "trailers"), *more]
    return b"".join(header(name, value) for name, value in fields)


def message(body: bytes, compressed: bool = False, claims: int | None = None) -> bytes:
    """A message of gRPC; `claims`: its length says so instead."""
    length = len(body) if claims is None else claims
    return struct.pack(">?I", compressed, length) + body


def varint(value: int) -> bytes:
    """An integer of Protobuf."""
    coded = bytearray()
    while value >= 128:
        coded.append(value % 128 + 128)
        value //= 128
    coded.append(value)
    return bytes(coded)


def field(number: int, value: bytes) -> bytes:
    """A field of Protobuf that is bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(coded: bytes) -> list[tuple[int, bytes]]:
    """The fields of a message that are of such a kind; others are left out."""
    found, at = [], 0

    def read() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = coded[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(coded):
        tag = read()
        if tag & 7 == 0:
            read()
        elif tag & 7 == 2:
            length = read()
            found.append((tag >> 3, coded[at:at + length]))
            at += length
        else:
            at += 8 if tag & 7 == 1 else 4
    return found


def ask(port: int, method: str, request: bytes) -> bytes:
    """Makes a unary call; returns the message of its answer."""
    connection = Connection(port)
    stream = connection.begin(method)
    connection.kept[stream] = bytearray()
    connection.data(stream, message(request), end=True)
    connection.read(30, until=stream)
    connection.close()
    answer = bytes(connection.kept[stream])
    assert len(answer) >= 5, f"no answer to {method}: {connection.ended}"
    return answer[5:]


class Connection:
    """One connection; reads nothing unless told."""

    def __init__(self, port: int, ack_settings: bool = True, answer_pings: bool = True,
                 window: int | None = None, source: str = "127.0.0.2") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=20, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ack_settings = ack_settings
        self.answer_pings = answer_pings
        # Of the server, by number.
        self.settings: dict[int, int] = {}
        self.closed = False
        self.next_stream = 1
        # Frames that came, by kind; streams that ended, with their last bytes.
        self.counts: dict[int, int] = {}
        self.ended: dict[int, bytes] = {}
        # What came on each stream, where it is kept.
        self.kept: dict[int, bytearray] = {}
        self._buffer = b""
        # What may be sent on each stream beyond the initial window of all; 0 is
        # the connection.
        self._initial_window = 65_535
        self._room: dict[int, int] = {}
        settings = b"" if window is None else struct.pack(">HI", 4, window)
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data: bytes) -> bool:
        """False: the server has closed the connection."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True
        return not self.closed

    def begin(self, method: str, *more: tuple[str, str], end: bool = False) -> int:
        """Opens a stream; returns its number."""
        stream = self.next_stream
        self.next_stream += 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream,
                        call_headers(method, *more)))
        return stream

    def data(self, stream: int, payload: bytes, end: bool = False,
             patience: float = 2.0) -> bool:
        """Sends a payload as the windows of the server allow.

        False: it has closed the connection, or let nothing through for so long.
        """
        at = 0
        while not self.closed:
            room = min(16_384, 65_535 + self._room.get(0, 0),
                       self._initial_window + self._room.get(stream, 0))
            piece = payload[at:at + max(0, room)]
            last = at + len(piece) == len(payload)
            if not piece and not last:
                if not self._read_once(patience):
                    return False
                continue
            at += len(piece)
            for key in (0, stream):
                self._room[key] = self._room.get(key, 0) - len(piece)
            self.send(frame(DATA, END_STREAM if end and last else 0, stream, piece))
            if last:
                return not self.closed
        return False

    def read(self, seconds: float, until: int | None = None) -> bool:
        """Reads frames for a time, or until stream `until` has ended.

        False: the server has closed the connection.
        """
        deadline = time.monotonic() + seconds
        while until is None or until not in self.ended:
            if self.closed or not self._read_once(deadline - time.monotonic()):
                break
        return not self.closed

    def _read_once(self, seconds: float) -> bool:
        """Reads what is there or comes within so long. False: nothing came."""
        if seconds <= 0 or not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            received = self.socket.recv(1 << 16)
        except ConnectionResetError:
            received = b""
        self.closed |= not received
        self._buffer += received
        self._take_frames()
        return not self.closed

    def _take_frames(self) -> None:
        at = 0
        while len(self._buffer) - at >= 9:
            length = int.from_bytes(self._buffer[at:at + 3], "big")
            if len(self._buffer) - at < 9 + length:
                break
            kind, flags = self._buffer[at + 3], self._buffer[at + 4]
            stream = int.from_bytes(self._buffer[at + 5:at + 9], "big") & 0x7FFFFFFF
            payload = self._buffer[at + 9:at + 9 + length]
            at += 9 + length
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind == SETTINGS and not flags & ACK and self.ack_settings:
                self.send(frame(SETTINGS, ACK, 0))
            if kind == SETTINGS and not flags & ACK:
                for i in range(0, length, 6):
                    name, value = struct.unpack(">HI", payload[i:i + 6])
                    self.settings[name] = value
                    if name == 4:
                        self._initial_window = value
            if kind == DATA and stream in self.kept:
                self.kept[stream] += payload
            if kind == WINDOW_UPDATE:
                added = int.from_bytes(payload, "big")
                self._room[stream] = self._room.get(stream, 0) + added
            if kind == PING and not flags & ACK and self.answer_pings:
                self.send(frame(PING, ACK, 0, payload))
            if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
                self.ended[stream] = payload
        self._buffer = self._buffer[at:]

    def close(self) -> None:
        self.socket.close()
