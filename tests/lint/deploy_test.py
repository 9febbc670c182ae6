"""Faults put into the real overlays, each of which must be found."""
import copy
import pathlib
import re
import shutil
import subprocess
import unittest

import check_deploy
import deploylib
import k8s_policy
import k8s_types
import systemd_unit
from sampletree import SampleTreeTest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def overlay(name):
    things, fault = deploylib.kustomized(ROOT / deploylib.K8S / "overlays" / name)
    assert not fault, fault
    return things


def find(things, kind, name="resnetd"):
    return next(one for one in things
                if one["kind"] == kind and one["metadata"]["name"] == name)


def put(thing, path, value):
    """Sets, or with None removes, a field: "spec.template.spec.containers.0.image"."""
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        thing = thing[part]
    if value is None:
        del thing[last]
    else:
        thing[last] = value


class FaultsTest(unittest.TestCase):
    """Base: renders once, breaks copies."""

    @classmethod
    def setUpClass(cls):
        cls.things = {name: overlay(name) for name in ("split", "production", "single-gpu")}
        cls.facts = check_deploy.facts_of(ROOT)

    def complaints(self, things):
        return list(check_deploy.overlay_complaints(things, self.facts))

    def assert_found(self, name, kind, path, value, says, of="resnetd"):
        things = copy.deepcopy(self.things[name])
        put(find(things, kind, of), path, value)
        found = self.complaints(things)
        self.assertTrue(any(says in text for text in found), (path, says, found))

    def test_the_overlays_themselves_are_clean(self):
        for name, things in self.things.items():
            with self.subTest(name):
                self.assertEqual(self.complaints(things), [])


class TypesTest(FaultsTest):

    def test_finds_fields_that_the_api_does_not_have(self):
        pod = "spec.template.spec.containers.0."
        for kind, path, value, says in [
                ("Deployment", pod + "livenessProb", {}, "did you mean 'livenessProbe'"),
                ("Deployment", "spec.template.spec.terminationGracePeriod", 1,
                 "there is no such field"),
                ("Deployment", "spec.replicas", "2", "'2' is not an integer"),
                ("Deployment", "spec.replicas", True, "True is not an integer"),
                ("Deployment", "spec.selector", None, ".spec.selector: is missing"),
                ("Deployment", pod + "args", "--x", "not a list"),
                ("Deployment", pod + "ports.0.containerPort", None, "is missing"),
                ("Deployment", "metadata.labels.a", 1, "is not a str"),
                ("Deployment", "metadata.lables", {}, "did you mean 'labels'"),
                ("Service", "spec.clusterIp", "None", "did you mean 'clusterIP'"),
                ("NetworkPolicy", "spec.policyType", [], "did you mean 'policyTypes'")]:
            with self.subTest(path):
                self.assert_found("split", kind, path, value, says)

    def test_finds_fields_that_custom_resources_do_not_have(self):
        for kind, path, value, says in [
                ("ScaledObject", "spec.minReplicas", 2, "did you mean 'minReplicaCount'"),
                ("ScaledObject", "spec.triggers.0.metadata.threshold", 1, "not of type string"),
                ("ScaledObject", "spec.scaleTargetRef", None, "is missing"),
                ("PodMonitor", "spec.podMetricsEndpoint", [], "did you mean"),
                ("PodMonitor", "spec.podMetricsEndpoints.0.interval", "10", "does not match"),
                ("PodMonitor", "metadata.label", {}, "did you mean 'labels'"),
                ("PrometheusRule", "spec.groups.0.rules.0.exp", "1", "did you mean 'expr'")]:
            with self.subTest(path):
                self.assert_found("production", kind, path, value, says)

    def test_finds_apis_that_no_server_has(self):
        for old, new in [("apps/v1", "apps/v1beta2"), ("policy/v1", "policy/v1beta1")]:
            things = copy.deepcopy(self.things["split"])
            thing = next(one for one in things if one["apiVersion"] == old)
            thing["apiVersion"] = new
            self.assertIn(f"no API has {new}", " ".join(self.complaints(things)))
        gone = {"apiVersion": "autoscaling/v2beta2", "kind": "HorizontalPodAutoscaler"}
        self.assertEqual(len(list(k8s_types.complaints(gone, deploylib.types()))), 1)


class PolicyTest(FaultsTest):

    def test_finds_each_breach_of_the_rules_of_a_pod(self):
        spec, box = "spec.template.spec.", "spec.template.spec.containers.0."
        for path, value, says in [
                (spec + "securityContext.runAsNonRoot", False, "runAsNonRoot is not True"),
                (spec + "securityContext.runAsUser", 0, "runAsUser is not 10001"),
                (spec + "securityContext.seccompProfile", None, "seccompProfile is not"),
                (spec + "securityContext.fsGroup", None, "fsGroup is not"),
                (spec + "automountServiceAccountToken", True, "ServiceAccountToken is not"),
                (spec + "hostNetwork", True, "hostNetwork is on"),
                (box + "securityContext.readOnlyRootFilesystem", None, "readOnlyRoot"),
                (box + "securityContext.allowPrivilegeEscalation", True, "allowPrivilege"),
                (box + "securityContext.capabilities", {"drop": []}, "capabilities is not"),
                (box + "securityContext.privileged", True, "is privileged"),
                (box + "ports.0.hostPort", 8001, "hostPort"),
                (box + "resources.requests.memory", None, "no resources.requests.memory"),
                (box + "resources.limits.memory", None, "no resources.limits.memory"),
                (box + "resources.requests", {"cpu": 1, "memory": "1Gi", "nvidia.com/gpu": 1},
                 "limits only"),
                (box + "resources.limits", {"memory": "1Gi", "nvidia.com/gpu": 1},
                 "does not tolerate"),
                (box + "resources.limits",
                 {"memory": "1Gi", "nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 1},
                 "two kinds of GPU"),
                (box + "volumeMounts.0.name", "other", "mounted but not there"),
                (box + "volumeMounts.0.readOnly", False, "not mounted read-only"),
                (spec + "volumes.1", {"name": "tmp", "hostPath": {"path": "/"}},
                 "a folder of the node"),
                (spec + "volumes.1", {"name": "tmp", "emptyDir": {}}, "without sizeLimit"),
                (box + "image", "resnetd:latest", "is no flavour of version"),
                (box + "image", "resnetd", "is no flavour of version"),
                (box + "image", "resnetd:0.1.0-cpu@sha256:12", "is no flavour of version"),
                (box + "resources.limits", {"memory": "1Gi", "nvidia.com/gpu": 1},
                 "image resnetd:0.1.0-cpu cannot use the GPU"),
                (box + "imagePullPolicy", "Always", "imagePullPolicy"),
                (box + "command", ["sh", "-c"], "wants a shell"),
                (box + "lifecycle", {"preStop": {"exec": {"command": ["sleep"]}}},
                 "a program is run"),
                (box + "livenessProbe.httpGet.path", "/readyz", "livenessProbe does not ask"),
                (box + "readinessProbe", {"grpc": {"port": 8001}}, "readinessProbe does not"),
                (box + "readinessProbe.timeoutSeconds", 1, "less than 2"),
                (box + "startupProbe.failureThreshold", 10, "gives up after 50 s"),
                (spec + "terminationGracePeriodSeconds", 84, "is 84, less than 85"),
                (box + "args.0", "--drain-delay=1", "no setting 'drain-delay'"),
                (box + "env", [{"name": "RESNETD_LISTN", "value": ""}], "no setting 'listn'"),
                (box + "ports.0.containerPort", 8003, "port grpc is 8003"),
                (spec + "volumes.0.configMap.name", "other", "no ConfigMap with"),
                ("spec.strategy.rollingUpdate.maxUnavailable", 1, "not (1, 0)"),
                (spec + "topologySpreadConstraints", None, "is not spread over")]:
            with self.subTest(says):
                self.assert_found("split", "Deployment", path, value, says)

    def test_takes_an_image_that_is_pinned_by_its_digest(self):
        things = copy.deepcopy(self.things["split"])
        put(find(things, "Deployment"), "spec.template.spec.containers.0.image",
            f"resnetd:0.1.0-cpu@sha256:{'0f' * 32}")
        self.assertEqual(self.complaints(things), [])

    def test_finds_settings_that_do_not_agree(self):
        things = copy.deepcopy(self.things["split"])
        config = next(one for one in things if one["kind"] == "ConfigMap"
                      and "serve" in one["data"]["resnetd.toml"])
        text = config["data"]["resnetd.toml"]
        for old, new, says in [
                ("registry =", "registri =", "no setting 'registri'"),
                ("drain-delay-ms = 5000", "drain-delay-ms = 4999", "less than 5000"),
                ("drain-grace-ms = 60000", "drain-grace-ms = 66000", "is 90, less than 91"),
                ("drain-grace-ms = 60000", "drain-grace-ms = 59999",
                 "drain-grace-ms is 59999, less than max-deadline-ms, 60000"),
                ("drain-grace-ms = 60000", "drain-grace-ms = 60000\nmax-deadline-ms = 60001",
                 "drain-grace-ms is 60000, less than max-deadline-ms, 60001"),
                ("max-connection-age-grace-ms = 60000", "max-connection-age-grace-ms = 59999",
                 "max-connection-age-grace-ms is 59999, less than"),
                ('http-listen = ":8002"', 'http-listen = ":80"', "port http is 8002"),
                ('registry = "', 'data-dir = "/data"\nregistry = "', "data-dir /data is no")]:
            with self.subTest(says):
                config["data"]["resnetd.toml"] = text.replace(old, new)
                self.assertIn(says, " ".join(self.complaints(things)))

    def test_who_trains_has_an_image_with_libtorch(self):
        self.assert_found("split", "StatefulSet", "spec.template.spec.containers.0.image",
                          "resnetd:0.1.0-cpu", "has no LibTorch", "resnetd-trainer")

    def test_a_run_leaves_the_images_of_the_servers_alone(self):
        rendered = {name: things for name, things, _ in deploylib.rendered(ROOT)}
        for plain, with_runs in [("split", "split+kueue"), ("production", "production+kueue"),
                                 ("production+gpu", "production+gpu+kueue")]:
            images = [{one["metadata"]["name"]: k8s_policy.pod(one)["containers"][0]["image"]
                       for one in k8s_policy.servers(rendered[name])}
                      for name in (plain, with_runs)]
            self.assertEqual(*images)

    def test_production_speaks_tls_and_asks_for_tokens(self):
        for server in k8s_policy.servers(self.things["production"]):
            self.assertEqual(list(k8s_policy.wire(server)), [])
        for server in k8s_policy.servers(self.things["split"]):
            self.assertEqual(len(list(k8s_policy.wire(server))), 4)

    def test_production_has_no_gateway_speak_plaintext(self):
        found = " ".join(check_deploy.production_complaints(self.things["production"]))
        self.assertEqual(found, "")
        things = copy.deepcopy(self.things["production"])
        put(find(things, "Service"), "spec.ports.0.appProtocol", "kubernetes.io/h2c")
        self.assertIn("speak plaintext", " ".join(check_deploy.production_complaints(things)))

    def test_a_run_brings_an_authority_and_a_token_and_sees_no_key(self):
        rendered = {name: things for name, things, _ in deploylib.rendered(ROOT)
                    if name.endswith("+kueue")}
        self.assertEqual(sorted(rendered), ["production+gpu+kueue", "production+kueue",
                                            "split+kueue"])
        things = rendered["production+kueue"]
        job = find(things, "Job", "resnetd-run")
        self.assertEqual(list(k8s_policy.wire_of_job(job, things)), [])
        plain = find(rendered["split+kueue"], "Job", "resnetd-run")
        self.assertEqual(list(k8s_policy.wire_of_job(plain, rendered["split+kueue"])),
                         ["no --ca", "no --token-file"])
        self.assertTrue(any("no --ca" in text for text in check_deploy.production_complaints(
            rendered["split+kueue"])))
        volumes = "spec.template.spec.volumes."
        args = "spec.template.spec.containers.0.args."
        for path, value, says in [
                (volumes + "1.secret.items", None, "has secrets of the servers"),
                (volumes + "1.secret.items.0.key", "tls.key", "has secrets of the servers"),
                (volumes + "2.secret.secretName", "resnetd-tokens", "secrets of the servers"),
                (args + "6", "--ca=/etc/other/ca.crt", "--ca is in no volume"),
                (args + "7", "--token=x", "no --token-file")]:
            with self.subTest(path):
                broken = copy.deepcopy(job)
                put(broken, path, value)
                found = list(k8s_policy.wire_of_job(broken, things))
                self.assertTrue(any(says in text for text in found), found)

    def test_a_store_has_one_owner(self):
        for path, value, says in [
                ("spec.replicas", 2, "has one owner"),
                ("spec.strategy.rollingUpdate.maxSurge", 1, "would wait for the store")]:
            self.assert_found("single-gpu", "Deployment", path, value, says)
        self.assert_found("split", "StatefulSet", "spec.replicas", 2, "has one replica",
                          "resnetd-trainer")


class ReachTest(FaultsTest):

    def test_finds_each_breach_of_the_rules_between_objects(self):
        for kind, path, value, says in [
                ("Namespace", "metadata.labels", {}, "does not enforce"),
                ("ServiceAccount", "automountServiceAccountToken", None, "hands out"),
                ("Deployment", "metadata.namespace", "default", "namespace is default"),
                ("Deployment", "spec.template.spec.serviceAccountName", "x", "is not there"),
                ("Service", "spec.selector", {"a": "b"}, "selects 0 workloads"),
                ("Service", "spec.ports.0.targetPort", "gprc", "no port gprc"),
                ("PodDisruptionBudget", "spec.maxUnavailable", 0, "not maxUnavailable 1"),
                ("PodDisruptionBudget", "spec.minAvailable", 1, "not maxUnavailable 1"),
                ("PodDisruptionBudget", "spec.selector.matchLabels.a", "b", "not exactly one"),
                ("NetworkPolicy", "spec.policyTypes", ["Egress"], "no NetworkPolicy for Ing"),
                ("NetworkPolicy", "spec.ingress.0.from", [], "without 'from'"),
                ("NetworkPolicy", "spec.ingress.0.ports", [], "or ports"),
                ("NetworkPolicy", "spec.ingress.0.from.0.namespaceSelector", {},
                 "of everybody"),
                ("NetworkPolicy", "spec.egress", [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
                                                   "ports": [{"port": 1}]}], "to addresses"),
                ("ScaledObject", "spec.minReplicaCount", 0, "below 2"),
                ("ScaledObject", "spec.scaleTargetRef.name", "x", "is not there"),
                ("ScaledObject", "spec.triggers.0.metadata.ignoreNullValues", None,
                 "has no answer"),
                ("ScaledObject", "spec.triggers.0.metadata.query", "rate(resnetd_x[1m])",
                 "exports no resnetd_x"),
                ("Deployment", "spec.replicas", 2, "beside an autoscaler"),
                ("PodMonitor", "spec.selector.matchLabels.a", "b", "not look at all"),
                ("PodMonitor", "spec.sampleLimit", 1, "sampleLimit is not"),
                ("PodMonitor", "spec.podMetricsEndpoints.0.port", "htpp", "not scrape")]:
            with self.subTest(says):
                self.assert_found("production", kind, path, value, says)

    def test_finds_a_second_autoscaler_and_a_missing_headless_service(self):
        things = copy.deepcopy(self.things["production"])
        things.append(copy.deepcopy(find(things, "ScaledObject")))
        things.remove(find(things, "Service", "resnetd-headless"))
        found = " ".join(self.complaints(things))
        self.assertIn("two autoscalers", found)
        self.assertIn("Deployment/resnetd: no headless service", found)

    def test_finds_objects_that_kubectl_cannot_apply(self):
        things = copy.deepcopy(self.things["split"])
        find(things, "ServiceAccount")["metadata"]["annotations"] = {"a": "x" * 250_000}
        self.assertIn("too large", " ".join(self.complaints(things)))


class TreeTest(SampleTreeTest):

    def overlays(self):
        """A copy of the overlays, with what they are made of."""
        for folder in (deploylib.K8S, check_deploy.MONITORING):
            shutil.copytree(ROOT / folder, self.root / folder, dirs_exist_ok=True)
        return self.root / deploylib.K8S / "overlays"

    def images(self, folder):
        """Name of each server of an overlay -> its image."""
        things, fault = deploylib.kustomized(folder)
        self.assertEqual(fault, "")
        return {one["metadata"]["name"]: k8s_policy.pod(one)["containers"][0]["image"]
                for one in k8s_policy.servers(things)}

    def test_in_a_registry_of_ones_own_each_server_keeps_its_flavour(self):
        # By the commands of the documents: "| `split` | ... | `kustomize edit ...` |".
        rows = re.findall(r"^\| `([\w-]+)` .*`kustomize (edit [^`]+)`",
                          (ROOT / "docs/kubernetes.md").read_text(), re.MULTILINE)
        command = dict(rows)
        overlays = self.overlays()
        both = {"resnetd": "host:5000/resnetd:0.1.0-cpu",
                "resnetd-trainer": "host:5000/resnetd:0.1.0-train"}
        for name, expected in [
                ("cpu-demo", {"resnetd": "host:5000/resnetd:0.1.0-cpu"}),
                # Before split, which it is made of.
                ("production", both), ("split", both)]:
            with self.subTest(name):
                words = command[name].replace("REGISTRY", "host:5000").split()
                subprocess.run([deploylib.tool("kustomize"), *words], cwd=overlays / name,
                               check=True, capture_output=True)
                self.assertEqual(self.images(overlays / name), expected)

    def test_production_has_the_digests_that_split_is_given(self):
        one, two = (f"sha256:{digits * 32}" for digits in ("0f", "1e"))
        overlays = self.overlays()
        subprocess.run([deploylib.tool("kustomize"), "edit", "set", "image",
                        f"resnetd=r/resnetd:0.1.0-cpu@{one}",
                        f"resnetd-train=r/resnetd:0.1.0-train@{two}"],
                       cwd=overlays / "split", check=True, capture_output=True)
        self.assertEqual(self.images(overlays / "production"),
                         {"resnetd": f"r/resnetd:0.1.0-cpu@{one}",
                          "resnetd-trainer": f"r/resnetd:0.1.0-train@{two}"})

    def test_the_overlay_that_the_documents_show_is_clean(self):
        shown, = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/kubernetes.md").read_text(),
                            re.DOTALL | re.MULTILINE)
        folder = self.overlays() / "mine"
        folder.mkdir()
        (folder / "kustomization.yaml").write_text(shown)
        things, _ = deploylib.kustomized(folder)
        self.assertEqual(list(check_deploy.overlay_complaints(
            things, check_deploy.facts_of(ROOT))), [])
        self.assertEqual(self.images(folder),
                         {"resnetd": "REGISTRY/resnetd:0.1.0-cpu",
                          "resnetd-trainer": "REGISTRY/resnetd:0.1.0-train"})

    def test_finds_what_kustomize_refuses(self):
        done = deploylib.kustomized(self.root)
        self.assertTrue(done[1])
        self.write("kustomization.yaml", "resource:\n  - x.yaml\n")
        self.assertTrue(deploylib.kustomized(self.root)[1])

    def test_hadolint_reads_the_dockerfile(self):
        self.write(check_deploy.DOCKERFILE, "FROM debian:latest\nRUN cd /x && sudo ls\n")
        found = " ".join(check_deploy.hadolint_complaints(self.root))
        for rule in ("DL3007", "DL3004"):
            self.assertIn(rule, found)

    def test_finds_faults_of_the_systemd_unit(self):
        flags = deploylib.flags(ROOT)
        files = {name: (ROOT / name).read_text()
                 for name in (systemd_unit.UNIT, systemd_unit.SETTINGS)}
        for name, old, new, says in [
                (systemd_unit.UNIT, "", "", ""),
                (systemd_unit.UNIT, "ProtectSystem=strict", "ProtectSystem=no",
                 "ProtectSystem is not 'strict'"),
                (systemd_unit.UNIT, "TimeoutStopSec=90", "TimeoutStopSec=80", "too short"),
                (systemd_unit.UNIT, "StateDirectory=resnetd", "StateDirectory=x",
                 "data-dir is not"),
                (systemd_unit.SETTINGS, "drain-delay-ms", "drain-delay", "no setting")]:
            for path, text in files.items():
                self.write(path, text.replace(old, new) if path == name and old else text)
            found = list(systemd_unit.complaints(self.root, flags))
            with self.subTest(says):
                self.assertEqual(bool(found), bool(says), found)
                self.assertTrue(not says or any(says in text for text in found), found)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd")
    def test_systemd_refuses_a_misspelt_and_an_open_unit(self):
        text = (ROOT / systemd_unit.UNIT).read_text()
        self.write(systemd_unit.SETTINGS, (ROOT / systemd_unit.SETTINGS).read_text())
        for broken, says in [
                (text.replace("LockPersonality=", "LokPersonality="), "verify"),
                (re.sub(r"(?m)^(Protect|Restrict|System).*\n", "", text), "security")]:
            self.write(systemd_unit.UNIT, broken)
            found = list(systemd_unit.complaints(self.root, deploylib.flags(ROOT)))
            with self.subTest(says):
                self.assertTrue(any(f"systemd-analyze {says}" in one for one in found), found)

    def test_the_flags_are_those_of_the_server(self):
        self.assertLess({"listen", "http-listen", "data-dir", "max-batch"},
                        deploylib.flags(ROOT))

    def test_a_workload_that_only_calls_is_no_server(self):
        job = {"kind": "Job", "spec": {"template": {"metadata": {"labels": {}}}}}
        self.assertEqual(k8s_policy.servers([job]), [])


if __name__ == "__main__":
    unittest.main()
