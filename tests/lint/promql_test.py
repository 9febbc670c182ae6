import unittest

import promql


class PromqlTest(unittest.TestCase):
    def names(self, expr):
        return [one.metric for one in promql.read(expr)[0]]

    def test_finds_metrics_and_no_other_words(self):
        self.assertEqual(
            self.names('histogram_quantile(0.99, sum by (le, a) (rate(b_bucket{c="d e"}[5m])))'
                       " > bool 1e-3 unless on (f) group_left (g) (h offset 5m) and inf or i"),
            ["b_bucket", "h", "i"])

    def test_keeps_matchers_windows_and_what_is_around(self):
        one = promql.read('sum(rate(a{b=~"x,}",c!="y"}[$__rate_interval])) by (b)')[0][0]
        self.assertEqual(one.matchers, [("b", "=~", "x,}"), ("c", "!=", "y")])
        self.assertEqual(one.window, "$__rate_interval")
        self.assertEqual(one.inside, ["sum", "rate"])
        self.assertTrue(one.has("c", "!=", "y"))
        self.assertFalse(one.has("c", "=", "y"))

    def test_forgets_a_function_behind_its_end(self):
        first, second = promql.read("rate(a[5m]) + b")[0]
        self.assertEqual((first.inside, second.inside), (["rate"], []))

    def test_tells_the_labels_that_are_grouped_by(self):
        self.assertEqual(promql.read("sum by (a, b) (c) / ignoring (d) e")[1],
                         {"a", "b", "d"})

    def test_reads_subqueries_comments_and_aliases(self):
        self.assertEqual(self.names("max_over_time(a:b[1h:5m]) # c\n"), ["a:b"])

    def test_refuses_what_it_cannot_read(self):
        for expr in ("sum(a", "a)", "a{b=}", "{a=\"b\"}", "a{b", "a ; b"):
            with self.assertRaises(promql.Unreadable, msg=expr):
                promql.read(expr)


if __name__ == "__main__":
    unittest.main()
