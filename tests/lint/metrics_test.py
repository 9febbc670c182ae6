import unittest

import check_metrics
import metriclib
from sampletree import SampleTreeTest

NAMES = '''
inline constexpr MetricSpec kA = {"a", MetricKind::kGauge, "x,y",
                                  "One "
                                  "thing."};
inline constexpr MetricSpec kBTotal = {
    "b_total", MetricKind::kCounter, "", "Others."};
'''
ROWS = "| `a` | gauge | x, y | One thing. |\n| `b_total` | counter |  | Others. |\n"


class MetricsTest(SampleTreeTest):
    def setUp(self):
        super().setUp()
        self.write(metriclib.NAMES, NAMES)
        self.write(check_metrics.PAGE, ROWS)

    def test_accepts_the_whole_list(self):
        self.assert_finds(check_metrics)

    def test_refuses_what_is_missing_other_too_much_and_there_twice(self):
        self.write(check_metrics.PAGE, "| `b_total` | gauge |  | Others. |\n"
                   "| `c` | gauge |  | C. |\n| `c` | gauge |  | C. |\n")
        self.assert_finds(check_metrics, "a is missing", "b_total is not what the server says",
                          "c is nothing that", "c is there twice")

    def test_refuses_a_missing_page(self):
        (self.root / check_metrics.PAGE).unlink()
        self.assert_finds(check_metrics, "docs/metrics.md does not exist")


if __name__ == "__main__":
    unittest.main()
