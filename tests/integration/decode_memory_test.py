"""The memory of pictures that are decoded at once keeps to its budget."""

from __future__ import annotations

import pathlib
import struct
import tempfile
import unittest
import zlib

from harness import RESNETD, Server

WIDTH, HEIGHT = 4000, 3000
# As pixels.
PICTURE_MIB = WIDTH * HEIGHT * 3 / (1 << 20)
PICTURES, DECODERS = 12, 4
# A sanitizer keeps what was freed: then memory says nothing.
IS_SANITIZED = b"__asan_init" in RESNETD.read_bytes()


def grey_png() -> bytes:
    """A large picture of one grey: few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * WIDTH) * HEIGHT)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
            + chunk(b"IEND", b""))


def most_mib(server: Server) -> float:
    """The most memory that the process ever had."""
    text = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


@unittest.skipIf(IS_SANITIZED, "memory says nothing under a sanitizer")
class DecodeMemoryTest(unittest.TestCase):

    def growth(self, *flags: object) -> float:
        """What the server takes more for many large pictures in one call."""
        with tempfile.TemporaryDirectory(prefix="resnetd-test-") as folder:
            picture = pathlib.Path(folder) / "grey.png"
            picture.write_bytes(grey_png())
            with Server("--decode-threads", DECODERS, *flags) as server:
                before = most_mib(server)
                done = server.ctl("classify", *([picture] * PICTURES))
                self.assertEqual(done.returncode, 0, done.stderr)
                return most_mib(server) - before

    def test_decoders_wait_for_room(self) -> None:
        # One needs more than that, and so runs alone.
        alone = self.growth("--max-decode-bytes", 1)
        together = self.growth()
        print(f"a picture of {PICTURE_MIB:.0f} MiB: +{alone:.0f} MiB alone, "
              f"+{together:.0f} MiB with room for all", flush=True)
        self.assertLess(alone, 1.8 * PICTURE_MIB)
        # There are others where there is room for them: this one can tell.
        self.assertGreater(together, 2.2 * PICTURE_MIB)


if __name__ == "__main__":
    unittest.main()
