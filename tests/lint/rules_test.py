import json
import unittest

import check_rules
import metriclib
from sampletree import SampleTreeTest

NAMES = '''
inline constexpr MetricSpec kReady = {
    "resnetd_ready", MetricKind::kGauge, "",
    "1 while the server takes calls, "
    "else 0."};
inline constexpr MetricSpec kCallsTotal = {
    "resnetd_calls_total", MetricKind::kCounter, "code", "Calls."};
'''
RULES = '''
groups:
  - name: g
    rules:
      - alert: ResnetdNotReady
        expr: resnetd_ready == 0
        for: 5m
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.instance }} is not ready"
          description: It does not take calls.
          runbook_url: docs/runbooks.md#resnetdnotready
          dashboard: /d/resnetd-fleet
'''
TESTS = '''
rule_files: [../../deploy/monitoring/rules/a.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'resnetd_ready{instance="a"}', values: '0x10'}
    promql_expr_test:
      - expr: ALERTS{alertname="ResnetdNotReady",alertstate="firing"}
        eval_time: 4m
        exp_samples: []
      - expr: ALERTS{alertname="ResnetdNotReady",alertstate="firing"}
        eval_time: 6m
        exp_samples:
          - labels: 'ALERTS{alertname="ResnetdNotReady",alertstate="firing",instance="a",severity="page"}'
            value: 1
'''
BOARD = {"uid": "resnetd-fleet", "panels": [
    {"title": "P", "targets": [{"expr": 'rate(up{job=~"$job"}[$__rate_interval])'}]}]}


class RulesTest(SampleTreeTest):
    """One alert, its test, its section and its dashboard; then one fault at a time."""

    def setUp(self):
        super().setUp()
        self.write(metriclib.NAMES, NAMES)
        self.write("deploy/monitoring/rules/a.yml", RULES)
        self.write("deploy/monitoring/prometheus.yml", "rule_files: [rules/*.yml]\n")
        self.write("tests/rules/a_test.yml", TESTS)
        self.write(check_rules.RUNBOOKS, "# Runbooks\n\n## ResnetdNotReady\n\nWhy.\n")
        self.board()

    def board(self, expr=None):
        board = json.loads(json.dumps(BOARD))
        if expr:
            board["panels"][0]["targets"][0]["expr"] = expr
        self.write("deploy/monitoring/grafana/dashboards/fleet.json", json.dumps(board))

    def change(self, old, new, name="deploy/monitoring/rules/a.yml", text=RULES):
        self.assertIn(old, text)
        self.write(name, text.replace(old, new))

    def finds(self, *expected):
        self.assert_finds(check_rules, *expected)

    def test_accepts_a_whole_one(self):
        self.finds()

    def test_asks_for_all_that_a_person_needs(self):
        self.change("severity: page", "severity: high")
        self.finds("severity is none of", "test rules")
        self.change('summary: "{{ $labels.instance }} is not ready"', 'summary: ""')
        self.finds("no summary")
        self.change("description: It", "note: It")
        self.finds("no description")
        self.change("#resnetdnotready", "#ready")
        self.finds("runbook_url is not docs/runbooks.md#resnetdnotready")
        self.change("/d/resnetd-fleet", "/d/no")
        self.finds("dashboard names none of ours")

    def test_asks_for_a_section_and_for_no_other(self):
        self.write(check_rules.RUNBOOKS, "## ResnetdReady\n")
        self.finds("has no section '## ResnetdNotReady'",
                   "a section for ResnetdReady, which is no alert")

    def test_asks_for_a_test_that_fires_and_one_that_does_not(self):
        self.write("tests/rules/a_test.yml", "tests: []\n")
        self.finds("no test lets ResnetdNotReady fire", "no test keeps ResnetdNotReady quiet")

    def test_refuses_tests_of_alerts_that_there_are_not(self):
        self.change("exp_samples: []", "exp_samples: []\n      - expr: ALERTS{alertname=\"No\"}\n"
                    "        eval_time: 4m\n        exp_samples: []",
                    "tests/rules/a_test.yml", TESTS)
        self.finds("a test of No, which is no alert")

    def test_refuses_metrics_and_labels_that_the_server_does_not_export(self):
        self.change("resnetd_ready == 0", "resnetd_ready{model=\"m\"} == 0 and resnetd_redy == 1")
        self.finds("resnetd_ready has no label 'model'", "exports no resnetd_redy", "test rules")

    def test_refuses_bare_counters(self):
        self.change("resnetd_ready == 0", "resnetd_ready == 0 or resnetd_calls_total > 5")
        self.finds("is a counter")

    def test_passes_on_what_promtool_says_of_rules(self):
        self.change("expr: resnetd_ready == 0", "expr: resnetd_ready ==")
        self.finds("promtool check rules", "promtool check config", "promtool test rules")

    def test_passes_on_what_promtool_says_of_tests(self):
        self.change("eval_time: 4m", "eval_time: 9m", "tests/rules/a_test.yml", TESTS)
        self.finds("promtool test rules")

    def test_finds_rules_that_match_no_series_of_a_cluster(self):
        self.change("resnetd_ready == 0",
                    "resnetd_ready == 0 and sum by (instance) (resnetd_ready) == 0")
        self.finds("with the labels of a cluster")
        self.change("resnetd_ready == 0", "resnetd_ready == 0 and on (instance) "
                    "sum by (instance) (resnetd_ready) == 0")
        self.finds()

    def test_passes_on_what_promtool_says_of_the_configuration(self):
        self.write("deploy/monitoring/prometheus.yml", "rule_file: []\n")
        self.finds("promtool check config")

    def test_finds_expressions_of_dashboards_that_prometheus_cannot_read(self):
        self.board('rate(up{job=~"$job"})')
        self.finds("fleet.json: P")

    def test_says_what_is_missing_where_promtool_is(self):
        self.addCleanup(setattr, check_rules, "promtool", check_rules.promtool)
        check_rules.promtool = lambda: None
        self.finds("promtool is missing; ./dev setup brings it")


if __name__ == "__main__":
    unittest.main()
