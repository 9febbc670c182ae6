import copy
import json
import pathlib
import unittest

import check_dashboards
import metriclib
from sampletree import SampleTreeTest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / check_dashboards.FOLDER


class DashboardsTest(SampleTreeTest):
    """A dashboard of ours with one fault at a time."""

    def setUp(self):
        super().setUp()
        self.write(metriclib.NAMES, (REPOSITORY / metriclib.NAMES).read_text())
        self.boards = {path.name: json.loads(path.read_text())
                       for path in SOURCE.glob("*.json")}
        for name in self.boards:
            self.save(name)
        self.board = self.boards["fleet.json"]

    def save(self, name="fleet.json"):
        self.write(f"{check_dashboards.FOLDER}/{name}", json.dumps(self.boards[name]))

    def finds(self, *expected):
        self.save()
        self.assert_finds(check_dashboards, *expected)

    def panel(self, kind="timeseries"):
        return next(one for one in self.board["panels"] if one["type"] == kind)

    def variable(self, name):
        return next(one for one in self.board["templating"]["list"] if one["name"] == name)

    def ask(self, expr):
        """A panel asks this and nothing else."""
        self.panel()["targets"] = [{"expr": expr}]

    def test_accepts_ours(self):
        self.assertEqual(len(self.boards), 4)
        self.finds()

    def test_refuses_an_editable_one(self):
        self.board["editable"] = True
        self.finds("uneditable-dashboard")

    def test_refuses_ids_inputs_and_schemas_that_provisioning_does_not_take(self):
        self.board.update({"id": 7, "__inputs": [], "schemaVersion": 38})
        self.finds("id is not null", "__inputs", "schemaVersion is not 42")

    def test_refuses_two_with_one_uid(self):
        self.boards["again.json"] = copy.deepcopy(self.board)
        self.save("again.json")
        self.finds("two dashboards have the same uid")

    def test_refuses_a_missing_annotation(self):
        self.board["annotations"]["list"] = [
            one for one in self.board["annotations"]["list"] if one["name"] != "Rollbacks"]
        self.finds("none for Rollbacks")

    def test_refuses_variables_that_do_not_follow_source_and_time(self):
        self.variable("datasource")["label"] = "Source"
        self.variable("job")["multi"] = False
        self.variable("instance")["datasource"] = {"uid": "abc"}
        self.variable("model")["refresh"] = 1
        self.finds("template-datasource", "template-job", "template-instance",
                   "template-on-time-change-reload")

    def test_refuses_a_variable_with_a_query_that_is_none(self):
        self.variable("model")["definition"] = "label_values(up{job=, model)"
        self.finds("template-label-promql")

    def test_refuses_variables_that_are_missing_or_not_used(self):
        self.board["templating"]["list"] = [
            one for one in self.board["templating"]["list"] if one["name"] != "model"]
        self.board["templating"]["list"].append({"name": "spare", "type": "textbox"})
        self.finds("$model is not declared", "$spare is not used")

    def test_refuses_panels_without_source_text_unit_or_question(self):
        self.panel("stat")["datasource"] = {"uid": "abc"}
        self.panel("table")["description"] = ""
        self.panel()["fieldConfig"]["defaults"].pop("unit")
        self.panel("state-timeline")["targets"] = []
        self.finds("panel-datasource", "panel-title-description", "panel-units",
                   "panel-no-targets")

    def test_refuses_an_expression_that_is_none(self):
        self.ask('sum(up{job=~"$job",instance=~"$instance"}')
        self.finds("target-promql", "(metrics)")

    def test_refuses_expressions_that_do_not_ask_for_the_chosen_servers(self):
        self.ask('up{job=~"$job"} + resnetd_ready{instance=~"$instance"}')
        self.finds("target-instance", "target-job")

    def test_refuses_fixed_windows_of_rates(self):
        self.ask('rate(process_cpu_seconds_total{job=~"$job",instance=~"$instance"}[5m])')
        self.finds("target-rate-interval")

    def test_refuses_bare_counters(self):
        self.ask('sum(process_cpu_seconds_total{job=~"$job",instance=~"$instance"})')
        self.finds("target-counter-agg")

    def test_refuses_metrics_and_labels_that_the_server_does_not_export(self):
        self.ask('resnetd_redy{job=~"$job",instance=~"$instance"} + '
                 'resnetd_ready{job=~"$job",instance=~"$instance",model="m"}')
        self.finds("the server exports no resnetd_redy", "resnetd_ready has no label 'model'")
        self.ask('sum by (kind) (resnetd_ready{job=~"$job",instance=~"$instance"})')
        self.finds("groups by 'kind'")

    def test_refuses_panels_on_each_other_outside_and_with_one_id(self):
        first, second = [one for one in self.board["panels"] if one["type"] == "stat"][:2]
        second["gridPos"] = first["gridPos"]
        second["id"] = first["id"]
        last = self.board["panels"][-1]
        last["gridPos"]["x"] = 20
        self.finds("it lies on", "the same id", "beyond column 24")

    def test_refuses_links_to_nothing_and_those_that_forget(self):
        self.board["links"][0]["url"] = "/d/no"
        self.board["links"][1]["keepTime"] = False
        self.finds("there is no dashboard no", "forgets variables or time")

    def test_refuses_files_that_the_generator_would_write_otherwise(self):
        self.write(check_dashboards.GENERATOR, "import sys\nprint('fleet.json')\nsys.exit(1)\n")
        self.finds("fleet.json")

    def test_refuses_exceptions_for_nothing(self):
        where = ("fleet.json", "p99", "panel-units")
        check_dashboards.EXCEPTIONS[where] = "a test"
        self.addCleanup(check_dashboards.EXCEPTIONS.clear)
        self.finds("is excepted, but nothing is wrong")
        panel = next(one for one in self.board["panels"] if one["title"] == "p99")
        panel["fieldConfig"]["defaults"].pop("unit")
        self.finds()


if __name__ == "__main__":
    unittest.main()
