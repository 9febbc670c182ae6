import pathlib
import unittest

import check_commands
from sampletree import SampleTreeTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = 'void A() {\n  options.Add("listen", c.listen, "x");\n' \
        '  app.add_flag("--verify-store", v, "x");\n}\n'


class CommandsTest(SampleTreeTest):

    def setUp(self):
        super().setUp()
        self.write(check_commands.HELP, (ROOT / check_commands.HELP).read_text())
        self.write("server/app/config.cc", FLAGS)

    def finds(self, text, *expected):
        self.write("docs/a.md", text)
        self.assert_finds(check_commands, *expected)

    def in_block(self, *lines):
        return "```sh\n" + "\n".join(lines) + "\n```\n"

    def test_takes_commands_that_there_are(self):
        self.finds(self.in_block(
            "resnetctl --server gpu:8001 models list -o json | jq '.models[] | .name'",
            "build/release/bin/resnetctl classify -k 3 photo.jpg *.png  # --like-this",
            "resnetctl token new --name ci --role trainer --out t >> tokens.toml",
            "RESNETD_CA=a.pem resnetctl train start --data photos \\",
            "  -m net --watch",
            "resnetd --listen :8001 --verify-store",
            "kubectl -n resnetd exec deploy/resnetd -- resnetctl health",
            "kubectl -n resnetd --no-such-flag get pods",
            "resnetctl models rollback MODEL && resnetd --config=x --help")
            + "`resnetctl models verify` and `resnetctl train pause|resume --x`.\n")

    def test_finds_flags_that_there_are_not(self):
        for line, says in [
                ("resnetctl classify --topk 3 a.png", "classify: there is no --topk"),
                ("resnetctl models list --stream", "models list: there is no --stream"),
                ("resnetctl classify -K 3 a.png", "there is no -K"),
                ("resnetctl classify \\\n  --no-such a.png", "there is no --no-such"),
                ("resnetd --lissten :8001", "resnetd has no --lissten"),
                ("resnetd --listen=:1 | resnetctl top --x", "top: there is no --x"),
                ("docker compose exec server resnetctl health --x", "there is no --x"),
                ("docker compose exec server resnetd --x", "resnetd has no --x"),
                ("kubectl exec pod -- resnetctl health --x", "there is no --x")]:
            with self.subTest(line):
                self.finds(self.in_block(line), says)

    def test_blocks_of_other_languages_hide_nothing(self):
        other = "```python\nresnetd = --no_command\n```\n"
        self.finds(other + self.in_block("resnetd --lissten") + other, "no --lissten")
        self.finds(other + "`resnetd --lissten`\n" + other, "no --lissten")

    def test_finds_commands_that_there_are_not(self):
        self.finds(self.in_block("resnetctl modells list"), "no command 'modells'")
        self.finds("Ask `resnetctl models version`.\n", "models: there is no command 'version'")

    def test_finds_flags_and_variables_that_no_program_has(self):
        self.write("tools/a.py", 'parser.add_argument("--rounds")\nos.environ["RESNETD_X"]\n')
        self.finds("`--listen :8001`, `--top-k`, `--rounds 3`, `RESNETD_LISTEN`, `RESNETD_X`.\n")
        self.finds("`--lissten`, `--top-n 3`, `RESNETD_LISTENS`, RESNETD_Y.\n",
                   "the flag --lissten", "the flag --top-n", "reads RESNETD_LISTENS",
                   "reads RESNETD_Y")

    def test_finds_commands_that_their_document_leaves_out(self):
        commands = {(): {}, ("data",): {}, ("data", "list"): {}, ("data", "show"): {},
                    ("top",): {}}
        for page, expected in [
                ("| `data list\\|show NAME` | a |\n| `top` | b |\n", []),
                ("| `data list`, `data show` | a |\n| `top -n N` | b |\n", []),
                ("| `data list` | `data show` |\n| `top` | b |\n", ["data show"]),
                ("| `data list\\|show NAME` | a |\n", ["top"])]:
            self.write(check_commands.PAGE, page)
            found = list(check_commands.page_complaints(self.root, commands))
            self.assertEqual(found, [f"{check_commands.PAGE}: says nothing of resnetctl {name}"
                                     for name in expected])

    def test_looks_at_what_manifests_run(self):
        job = ("spec:\n  containers:\n    - command: [resnetctl]\n"
               "      args: [train, start, {}, --watch]\n")
        self.write("deploy/k8s/job.yaml", job.format("--data=/data"))
        self.finds("")
        self.write("deploy/k8s/job.yaml", job.format("--dat=/data"))
        self.finds("", "job.yaml: resnetctl train start: there is no --dat")
        self.write("deploy/k8s/job.yaml", "")
        self.write("docker-compose.yml", "services:\n  a:\n    entrypoint: [resnetctl]\n"
                   "    command: [bench, --rat=2]\n    healthcheck:\n"
                   "      test: [CMD, resnetctl, helth]\n")
        self.finds("", "bench: there is no --rat", "there is no command 'helth'")

    def test_the_help_is_read_as_it_is(self):
        commands = check_commands.client_commands((ROOT / check_commands.HELP).read_text())
        self.assertIs(commands["classify",]["--top-k"], True)
        self.assertIs(commands["classify",]["-k"], True)
        self.assertIs(commands["classify",]["--stream"], False)
        self.assertIn(("models", "alias", "set"), commands)

    def test_the_documents_show_commands_to_look_at(self):
        lines = [line for name in ("README.md", "docs/operations.md", "docs/kubernetes.md")
                 for line in check_commands.document_lines((ROOT / name).read_text())]
        self.assertGreater(sum("resnetctl" in line for line in lines), 10)
        self.assertGreater(sum(line.startswith("resnetd ") for line in lines), 2)


if __name__ == "__main__":
    unittest.main()
