import unittest

import check_file_sizes
from sampletree import SampleTreeTest


class FileSizesTest(SampleTreeTest):
    def test_accepts_the_limit_and_refuses_one_more(self):
        self.write("server/a.cc", "\n" * check_file_sizes.FAIL_LINES)
        self.write("server/b.cc", "\n" * (check_file_sizes.FAIL_LINES + 1))
        self.assert_finds(check_file_sizes, "server/b.cc: 501 lines")

    def test_holds_cmake_files_to_a_smaller_limit(self):
        self.write("CMakeLists.txt",
                   "\n" * (check_file_sizes.CMAKE_FAIL_LINES + 1))
        self.assert_finds(check_file_sizes, "CMakeLists.txt: 151 lines")

    def test_warns_between_aim_and_limit(self):
        self.write("a.py", "\n" * (check_file_sizes.WARN_LINES + 1))
        self.assert_finds(check_file_sizes)
        self.assertEqual(len(list(check_file_sizes.warnings(self.root))), 1)


if __name__ == "__main__":
    unittest.main()
