"""A throw-away repository for the tests of the checks."""
import pathlib
import tempfile
import unittest


class SampleTreeTest(unittest.TestCase):
    """Gives each test an empty folder and a short way to fill it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, name: str, text: str):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def assert_finds(self, check, *expected: str):
        """`check` finds exactly these, in any order, each by a part of it."""
        found = sorted(check.complaints(self.root))
        self.assertEqual(len(found), len(expected), found)
        for part in expected:
            self.assertTrue(any(part in text for text in found),
                            f"nothing says '{part}': {found}")
