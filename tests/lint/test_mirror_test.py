import unittest

import check_test_mirror
from sampletree import SampleTreeTest


class TestMirrorTest(SampleTreeTest):
    def test_accepts_a_source_with_its_test_and_a_header_test(self):
        self.write("server/a/b.cc", "")
        self.write("tests/unit/a/b_test.cc", "")
        self.write("server/a/c.h", "")
        self.write("tests/unit/a/c_test.cc", "")
        self.write("tests/unit/a/b_limits_test.cc", "")
        self.assert_finds(check_test_mirror)

    def test_refuses_a_source_without_test(self):
        self.write("server/a/b.cc", "")
        self.assert_finds(check_test_mirror, "has no tests/unit/a/b_test.cc")

    def test_refuses_a_test_without_source(self):
        self.write("tests/unit/a/b_test.cc", "")
        self.assert_finds(check_test_mirror, "there is no server/a/b.cc or .h")

    def test_refuses_a_stale_exception(self):
        self.write("server/main.cc", "")
        self.write("tests/unit/main_test.cc", "")
        self.assert_finds(check_test_mirror, "take it off TESTED_ELSEWHERE")


if __name__ == "__main__":
    unittest.main()
