"""TLS, certificates, tokens and roles on the real programs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest
from typing import Iterator

from certificates import Authority
from harness import PATIENCE_SECONDS, RESNETCTL, RESNETD, SOURCE, Server, environment, run
from prometheus import wait_for

PICTURE = SOURCE / "demo" / "digit-3.png"
USAGE = 2
UNAVAILABLE = 3
DENIED = 7


def new_token(folder: pathlib.Path, name: str, role: str, *more: str) -> tuple[pathlib.Path, str]:
    """A file with a new token, and the entry for the server."""
    path = folder / f"{name}.token"
    path.unlink(missing_ok=True)
    done = run(RESNETCTL, "token", "new", "--name", name, "--role", role, "--out", path, *more)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return path, done.stdout


def write_secret(path: pathlib.Path, text: str) -> None:
    """Replaces a file at once, readable for its owner alone."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    os.replace(fresh, path)


class Folder(unittest.TestCase):
    """A folder with an authority and the certificate of a server."""

    folder: pathlib.Path
    authority: Authority

    @classmethod
    def setUpClass(cls) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="resnetd-auth-")
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.authority = Authority(cls.folder, "ca")
        cls.certificate, cls.key = cls.authority.issue("server")

    def tls(self, certificate: pathlib.Path | None = None, key: pathlib.Path | None = None) -> list[object]:
        return ["--tls-cert", certificate or self.certificate, "--tls-key", key or self.key]

    def ca(self) -> list[object]:
        return ["--ca", self.authority.certificate]


class StartTest(Folder):
    """What is wrong with certificates, keys and tokens is told at start."""

    def refuse(self, *flags: object, user: int | None = None) -> str:
        done = run(RESNETD, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", *flags,
                   user=user)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        return done.stderr

    def test_plaintext_beyond_the_loopback_is_asked_for_by_name(self) -> None:
        said = self.refuse("--listen", ":0")
        self.assertIn("--insecure-plaintext", said)
        self.assertIn("--tls-cert", said)
        with Server("--listen", "0.0.0.0:0", "--insecure-plaintext") as server:
            self.assertEqual(server.ctl("health").returncode, 0)

    def test_tokens_never_travel_in_plaintext_beyond_the_loopback(self) -> None:
        said = self.refuse("--listen", ":0", "--insecure-plaintext", "--tokens", "t.toml")
        self.assertIn("--tokens needs --tls-cert", said)

    def test_a_key_that_does_not_fit(self) -> None:
        _, other = self.authority.issue("other")
        self.assertIn("is not the key of the first certificate", self.refuse(*self.tls(key=other)))

    def test_a_missing_and_an_unreadable_key(self) -> None:
        self.assertIn("does not exist", self.refuse(*self.tls(key=self.folder / "no.key")))
        self.assertIn("no private key in PEM form", self.refuse(*self.tls(key=self.certificate_copy())))

    def certificate_copy(self) -> pathlib.Path:
        copy = self.folder / "copy.key"
        write_secret(copy, self.certificate.read_text())
        return copy

    def test_a_key_that_this_user_may_not_read(self) -> None:
        locked = self.folder / "locked.key"
        write_secret(locked, self.key.read_text())
        locked.chmod(0)
        # Nothing is unreadable for root.
        nobody = 65534 if os.geteuid() == 0 else None
        self.folder.chmod(0o755)
        said = self.refuse(*self.tls(key=locked), user=nobody)
        self.assertIn("--tls-key", said)
        self.assertIn("cannot be read: permission denied; let the user "
                      f"{nobody or os.geteuid()} of this process read it", said)

    def test_a_key_that_others_can_read(self) -> None:
        open_key = self.folder / "open.key"
        open_key.write_text(self.key.read_text())
        open_key.chmod(0o644)
        said = self.refuse(*self.tls(key=open_key))
        self.assertIn("mode 0644", said)
        self.assertIn("chmod", said)

    def test_a_certificate_out_of_its_time(self) -> None:
        old = self.authority.issue("old", begin="20200101000000Z", end="20210101000000Z")
        self.assertIn("expired on 2021-01-01 00:00:00 UTC", self.refuse(*self.tls(*old)))
        early = self.authority.issue("early", begin="20980101000000Z", end="20990101000000Z")
        self.assertIn("is not valid before 2098-01-01", self.refuse(*self.tls(*early)))

    def test_a_short_key(self) -> None:
        short = self.authority.issue("short", key="rsa:1024")
        self.assertIn("is too short: 1024 bits", self.refuse(*self.tls(*short)))

    def test_a_token_file_that_others_can_read_or_that_is_wrong(self) -> None:
        tokens = self.folder / "tokens.toml"
        tokens.write_text("")
        tokens.chmod(0o640)
        self.assertIn("is a secret that other users can read", self.refuse("--tokens", tokens)
                      if os.geteuid() != 0 else self.refuse_world_readable(tokens))
        write_secret(tokens, '[[token]]\nname = "a"\nrole = "king"\nsha256 = "x"\n')
        self.assertIn("unknown role \"king\"", self.refuse("--tokens", tokens))

    def refuse_world_readable(self, path: pathlib.Path) -> str:
        path.chmod(0o644)
        return self.refuse("--tokens", path)


class TlsTest(Folder):
    """Calls over TLS."""

    def test_a_picture_is_classified_and_wrong_clients_disturb_nobody(self) -> None:
        stranger = Authority(self.folder, "stranger")
        with Server(*self.tls()) as server:
            for _ in range(3):
                done = server.ctl("classify", PICTURE, *self.ca())
                self.assertEqual(done.returncode, 0, done.stderr)
                done = server.ctl("classify", PICTURE, "--ca", stranger.certificate)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("TLS with", done.stderr)
                self.assertIn("not vouched for", done.stderr)
                done = server.ctl("classify", PICTURE)  # Plaintext.
                self.assertEqual(done.returncode, 3, done.stderr)
            done = server.ctl("health", *self.ca(), "--server-name", "elsewhere.example")
            self.assertEqual(done.returncode, 3)
            self.assertIn("another name", done.stderr)
            with_variables = run(RESNETCTL, "classify", PICTURE, RESNETD_SERVER=server.address,
                                 RESNETD_CA=str(self.authority.certificate))
            self.assertEqual(with_variables.returncode, 0, with_variables.stderr)

    def test_clients_need_a_certificate_where_it_is_asked_for(self) -> None:
        good = self.authority.issue("client", san="", common_name="alice")
        foreign = Authority(self.folder, "foreign").issue("foreign-client", san="", common_name="eve")
        old = self.authority.issue("old-client", san="", common_name="bob", begin="20200101000000Z",
                                   end="20210101000000Z")
        with Server(*self.tls(), "--tls-client-ca", self.authority.certificate) as server:
            done = server.ctl("classify", PICTURE, *self.ca(), "--cert", good[0], "--key", good[1])
            self.assertEqual(done.returncode, 0, done.stderr)
            for cert in ([], ["--cert", foreign[0], "--key", foreign[1]]):
                done = server.ctl("classify", PICTURE, *self.ca(), *cert)
                self.assertEqual(done.returncode, 3, done.stderr)
            done = server.ctl("classify", PICTURE, *self.ca(), "--cert", old[0], "--key", old[1])
            self.assertEqual(done.returncode, USAGE, done.stderr)
            self.assertIn("expired on", done.stderr)


class TokenTest(Folder):
    """Who may do what."""

    def serve(self, entries: str, *flags: object) -> Server:
        self.tokens = self.folder / "tokens.toml"
        write_secret(self.tokens, entries)
        return Server(*self.tls(), "--tokens", self.tokens, *flags)

    def test_a_role_check_end_to_end(self) -> None:
        viewer, viewer_entry = new_token(self.folder, "looker", "viewer")
        classifier, classifier_entry = new_token(self.folder, "camera", "classifier")
        past, past_entry = new_token(self.folder, "past", "operator", "--not-after", "2020-01-01T00:00:00Z")
        unknown, _ = new_token(self.folder, "unknown", "operator")
        with self.serve(viewer_entry + classifier_entry + past_entry) as server:
            def classify(*flags: object) -> tuple[int, str]:
                done = server.ctl("classify", PICTURE, *self.ca(), *flags)
                return done.returncode, done.stderr

            self.assertEqual(classify("--token-file", classifier)[0], 0)
            for flags, words in (([], "asks for credentials"),
                                 (["--token-file", unknown], "not one that this server knows"),
                                 (["--token-file", past], "ended on 2020-01-01"),
                                 (["--token-file", viewer], "needs classifier")):
                code, said = classify(*flags)
                self.assertEqual(code, DENIED, said)
                self.assertIn(words, said)
            self.assertEqual(server.ctl("models", "list", *self.ca(), "--token-file", viewer).returncode, 0)
            # Probes and load balancers have no token.
            self.assertEqual(server.ctl("health", *self.ca()).returncode, 0)

    def test_tokens_change_while_the_server_runs(self) -> None:
        first, entry = new_token(self.folder, "first", "classifier")
        with self.serve(entry) as server:
            second, entry = new_token(self.folder, "second", "classifier")
            write_secret(self.tokens, entry)
            server.wait_for_line("credentials were read again")
            self.assertEqual(server.ctl("classify", PICTURE, *self.ca(), "--token-file", first).returncode, DENIED)
            self.assertEqual(server.ctl("classify", PICTURE, *self.ca(), "--token-file", second).returncode, 0)
            write_secret(self.tokens, "[[token]]\n")
            self.assertIn("needs name", server.wait_for_line("changed credentials cannot be used"))
            self.assertEqual(server.ctl("classify", PICTURE, *self.ca(), "--token-file", second).returncode, 0)

    def test_a_token_taken_back_ends_the_streams_that_it_opened(self) -> None:
        mine, entry = new_token(self.folder, "mine", "classifier")
        kept, kept_entry = new_token(self.folder, "kept", "classifier")
        words = ["classify", "--stream", "--files-from", "-", "-o", "json"]
        with self.serve(entry + kept_entry) as server, \
                self.talking(server, mine, *words) as stream, \
                self.talking(server, mine, "models", "watch") as watch, \
                self.talking(server, kept, *words) as other:
            for one in (stream, other):
                self.assertIn('"label":"3"', self.answer(one))
            wait_for("the watch", lambda: re.search(
                r'resnetd_rpc_in_flight\{method="WatchModels"\} 1', server.get("/metrics")[1]))
            write_secret(self.tokens, kept_entry)
            self.assertIn("calls=2", server.wait_for_line("calls were ended"))
            # Nobody asked for anything, and it has ended.
            self.assertEqual(watch.wait(timeout=PATIENCE_SECONDS), DENIED)
            self.assertIn("not one that this server knows", watch.stderr.read())
            stream.stdin.write(f"{PICTURE}\n")
            said, error = stream.communicate(timeout=PATIENCE_SECONDS)
            self.assertEqual(stream.returncode, DENIED, error)
            self.assertIn("not one that this server knows", error)
            self.assertNotIn('"label"', said)
            self.assertIn('"label":"3"', self.answer(other))
            other.stdin.close()
            self.assertEqual(other.wait(timeout=PATIENCE_SECONDS), 0)

    @contextlib.contextmanager
    def talking(self, server: Server, token: pathlib.Path,
                *words: object) -> Iterator[subprocess.Popen[str]]:
        """resnetctl while it runs, with its standard input and output."""
        command = [RESNETCTL, "--server", server.address, *words, *self.ca(), "--token-file", token]
        with subprocess.Popen([str(word) for word in command], text=True, bufsize=1, env=environment(),
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            try:
                yield process
            finally:
                process.kill()

    def answer(self, stream: subprocess.Popen[str]) -> str:
        stream.stdin.write(f"{PICTURE}\n")
        return stream.stdout.readline()

    def test_a_token_in_plaintext_goes_to_this_machine_alone(self) -> None:
        token, entry = new_token(self.folder, "local", "classifier")
        tokens = self.folder / "local.toml"
        write_secret(tokens, entry)
        with Server("--tokens", tokens) as server:
            done = server.ctl("classify", PICTURE, "--token-file", token)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(server.ctl("classify", PICTURE).returncode, DENIED)
        done = run(RESNETCTL, "--server", "192.0.2.1:8001", "models", "list", "--token-file", token)
        self.assertEqual(done.returncode, USAGE, done.stderr)
        self.assertIn("needs TLS", done.stderr)

    def test_a_token_is_in_no_log_and_no_error(self) -> None:
        """Canaries in tokens and in the bytes of pictures, at the most talkative level."""
        good, good_entry = new_token(self.folder, "canary", "viewer")
        past, past_entry = new_token(self.folder, "past", "viewer", "--not-after", "2020-01-01T00:00:00Z")
        wrong, _ = new_token(self.folder, "wrong", "viewer")
        broken = self.folder / "broken.png"
        broken.write_bytes(PICTURE.read_bytes()[:60] + b"CANARYPIXELS" * 20)
        operator, operator_entry = new_token(self.folder, "operator", "operator")
        said = ""
        with self.serve(good_entry + past_entry + operator_entry, "--log-level", "debug") as server:
            for token in (good, past, wrong, operator):
                for words in (["classify", PICTURE], ["classify", broken], ["models", "list"],
                              ["models", "delete", "digits@1", "--yes"]):
                    done = server.ctl(*words, *self.ca(), "--token-file", token, "-v")
                    said += done.stdout + done.stderr
            said += server.get("/metrics")[1]
            server.end()
            said += server.log()
        self.assertIn("call failed", said)
        self.assertIn("call served", said)
        for token in (good, past, wrong, operator):
            text = token.read_text().strip()
            self.assertNotIn(text, said)
            self.assertNotIn(text.removeprefix("resnetd_")[:16], said)
        self.assertNotIn("CANARYPIX", said)

    def test_the_log_and_the_limits_name_the_caller(self) -> None:
        token, entry = new_token(self.folder, "camera-7", "classifier")
        with self.serve(entry, "--log-level", "debug", "--max-images-per-second-per-client", 1) as server:
            codes = [server.ctl("classify", PICTURE, *self.ca(), "--token-file", token,
                                "--timeout", "300ms").returncode for _ in range(4)]
            self.assertIn("caller=camera-7", server.wait_for_line("call served"))
        self.assertEqual(codes[0], 0)

    def test_a_replica_follows_over_tls_with_a_token(self) -> None:
        token, entry = new_token(self.folder, "replica-1", "replica")
        viewer, viewer_entry = new_token(self.folder, "watcher", "viewer")
        with self.serve(entry + viewer_entry) as owner:
            registry = ["--roles=serve", "--registry", owner.address, "--registry-ca",
                        self.authority.certificate, "--registry-server-name", "localhost"]
            replica = Server(*registry, "--registry-token-file", token)
            with replica:
                if "follows the registry" not in replica.log():
                    replica.wait_for_line("follows the registry")
                self.assertEqual(replica.ctl("classify", PICTURE).returncode, 0)
            # A viewer sees the models and gets no weights.
            stuck = Server(*registry, "--registry-token-file", viewer)
            with stuck:
                line = stuck.wait_for_line("cannot be followed")
                self.assertIn("GetBlob needs replica", line)


class MetricsTest(Folder):
    """What operators see of changes."""

    def value(self, server: Server, series: str) -> float | None:
        line = re.search(rf"^{re.escape(series)} (\S+)$", server.get("/metrics")[1], re.MULTILINE)
        return float(line[1]) if line else None

    def test_reloads_and_expiry_are_counted(self) -> None:
        certificate, key = self.folder / "seen.pem", self.folder / "seen.key"

        def put(begin: str, end: str) -> None:
            new_certificate, new_key = self.authority.issue("dated", begin=begin, end=end)
            write_secret(certificate, new_certificate.read_text())
            write_secret(key, new_key.read_text())

        put("20200101000000Z", "20800101000000Z")
        reloads = 'resnetd_credential_reloads_total{kind="certificate",outcome="%s"}'
        successful = 'resnetd_credential_last_reload_successful{kind="certificate"}'
        expiry = 'resnetd_credential_expiry_timestamp_seconds{kind="certificate"}'
        with Server("--tls-cert", certificate, "--tls-key", key) as server:
            self.assertEqual(self.value(server, expiry), 3471292800)  # 2080-01-01, by `date -u +%s`.
            self.assertEqual(self.value(server, reloads % "ok"), 0)
            self.assertEqual(self.value(server, successful), 1)
            # There is no list of tokens.
            self.assertNotIn('kind="tokens"', server.get("/metrics")[1])
            put("20200101000000Z", "20900101000000Z")
            server.wait_for_line("credentials were read again")
            self.assertEqual(self.value(server, expiry), 3786912000)
            self.assertEqual(self.value(server, reloads % "ok"), 1)
            write_secret(certificate, "nothing")
            server.wait_for_line("changed credentials cannot be used")
            self.assertEqual(self.value(server, reloads % "failed"), 1)
            self.assertEqual(self.value(server, successful), 0)
            # The old one is in force, and its end is what counts.
            self.assertEqual(self.value(server, expiry), 3786912000)
            done = server.ctl("classify", PICTURE, *self.ca())
            self.assertEqual(done.returncode, 0, done.stderr)
            put("20200101000000Z", "20800101000000Z")
            server.wait_for_line("credentials were read again")
            self.assertEqual(self.value(server, successful), 1)
            self.assertEqual(self.value(server, expiry), 3471292800)


class RotationTest(Folder):
    """Certificates change while calls run."""

    def test_no_call_fails_while_certificates_change(self) -> None:
        certificate, key = self.folder / "live.pem", self.folder / "live.key"

        def put(stem: str, other_key: str | None = None) -> None:
            new_certificate, new_key = self.authority.issue(stem)
            write_secret(certificate, new_certificate.read_text())
            write_secret(key, (self.folder / other_key if other_key else new_key).read_text())

        put("one")
        stop = threading.Event()
        outcomes: list[tuple[int, str]] = []
        with Server("--tls-cert", certificate, "--tls-key", key) as server:
            def call() -> None:
                # Some calls a second; more would be others' share of the cores.
                while not stop.wait(0.1):
                    done = server.ctl("classify", PICTURE, *self.ca())
                    outcomes.append((done.returncode, done.stderr))

            caller = threading.Thread(target=call)
            caller.start()
            try:
                for stem in ("two", "three"):
                    put(stem)
                    server.wait_for_line("credentials were read again")
                # Half a pair, and no certificate at all: the last good one stays.
                put("four", other_key="three.key")
                self.assertIn("is not the key", server.wait_for_line("changed credentials cannot be used"))
                write_secret(certificate, "nothing")
                server.wait_for_line("changed credentials cannot be used")
                put("five")
                server.wait_for_line("credentials were read again")
                seen = len(outcomes)
                while len(outcomes) < seen + 2:
                    caller.join(timeout=0.05)
            finally:
                stop.set()
                caller.join()
        self.assertGreater(len(outcomes), 4)
        self.assertEqual([one for one in outcomes if one[0] != 0], [])


if __name__ == "__main__":
    unittest.main()
