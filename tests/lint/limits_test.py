import pathlib
import unittest

import check_limits
from sampletree import SampleTreeTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """struct Config {
  std::int64_t max_bytes = 64LL << 20;
  int max_calls = 4'096;
  std::int64_t age_ms = 10'000;
  std::string listen = "x";
};
"""
HEAD = "| flag | default | bounds |\n|---|---|---|\n"


class LimitsTest(SampleTreeTest):

    def setUp(self):
        super().setUp()
        self.write(check_limits.CONFIG, CONFIG)

    def finds(self, text, *expected):
        self.write("docs/a.md", text)
        self.assert_finds(check_limits, *expected)

    def test_takes_the_defaults_of_the_server(self):
        self.finds(HEAD + "| `--max-bytes` | 64 MiB | a |\n"
                   "| `--max-calls`, `--max-bytes` | 4,096 and 64 MiB (of 2) | b |\n")
        self.finds("| limit | default | flag |\n|---|---|---|\n"
                   "| age | 10,000 | `--age-ms` |\n| name | 128 letters | |\n")

    def test_finds_other_defaults_and_flags_that_there_are_not(self):
        for row, says in [
                ("| `--max-bytes` | 32 MiB | a |", "--max-bytes is 67108864 by default, not 32"),
                ("| `--max-bytes` | 64 | a |", "not 64"),
                ("| `--max-calls`, `--age-ms` | 4,096 and 10,001 | a |", "--age-ms is 10000"),
                ("| `--max-calls`, `--age-ms` | 4,096 | a |", "2 flags and the defaults"),
                ("| `--max-call` | 4,096 | a |", "--max-call is no limit")]:
            with self.subTest(row):
                self.finds(HEAD + row + "\n", says)

    def test_leaves_other_tables_alone(self):
        self.finds("| flag | means |\n|---|---|\n| `--max-bytes` | 32 MiB |\n\n"
                   "```\n" + HEAD + "| `--max-bytes` | 32 MiB | a |\n```\n")

    def test_reads_the_defaults_of_the_repository(self):
        known = check_limits.defaults(ROOT)
        self.assertEqual(known["max-message-bytes"], 64 << 20)
        self.assertEqual(known["max-connection-age-ms"], 600_000)
        rows = [row for page in ("docs/api.md", "docs/datasets.md")
                for row in check_limits.rows((ROOT / page).read_text())]
        self.assertGreater(len(rows), 25)


if __name__ == "__main__":
    unittest.main()
