import unittest

import check_docs
from sampletree import SampleTreeTest


class DocsTest(SampleTreeTest):
    def setUp(self):
        super().setUp()
        self.write("dev", "readonly commands=(setup test)\n")
        self.write("docs/a.md", "# The *first* `thing`, here\n")

    def test_accepts_what_exists(self):
        self.write("README.md", "[a](docs/a.md) [b](docs/a.md#the-first-thing-"
                   "here) [c](https://example.org/x) [d](#top) `docs/a.md`\n"
                   "# Top\n`./dev test`\n")
        self.assert_finds(check_docs)

    def test_refuses_links_to_nothing(self):
        self.write("docs/b.md", "[a](c.md) [b](a.md#no) ![c](d.png)\n")
        self.assert_finds(check_docs, "link to c.md", "no such heading",
                          "link to d.png")

    def test_refuses_files_and_commands_that_do_not_exist(self):
        self.write("README.md", "`server/no.h`\n```\n./dev tset\n```\n")
        self.assert_finds(check_docs, "`server/no.h` does not exist",
                          "no command 'tset'")

    def test_refuses_a_readme_over_its_length(self):
        self.write("README.md", "\n" * check_docs.README_LINES)
        self.assert_finds(check_docs)
        self.write("README.md", "\n" * (check_docs.README_LINES + 1))
        self.assert_finds(check_docs, "151 lines, at most 150")


if __name__ == "__main__":
    unittest.main()
