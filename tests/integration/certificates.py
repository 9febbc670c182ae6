"""Certificates for tests, made by the openssl program; nothing is kept or fetched."""

from __future__ import annotations

import pathlib
import subprocess


def openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *[str(word) for word in words]], capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {words[0]}: {done.stderr.decode()}")


class Authority:
    """A certificate authority in a folder, which issues what it is asked for."""

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, stem: str, san: str = "DNS:localhost,IP:127.0.0.1", common_name: str = "server",
              begin: str = "", end: str = "", key: str = "ec") -> tuple[pathlib.Path, pathlib.Path]:
        """Certificate and key in stem.pem and stem.key. `begin` and `end` as 20200101000000Z."""
        folder = self.folder
        certificate, private, request = folder / f"{stem}.pem", folder / f"{stem}.key", folder / f"{stem}.csr"
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else ["-newkey", key]
        openssl("req", "-new", *kind, "-nodes", "-keyout", private, "-out", request,
                "-subj", f"/CN={common_name}")
        private.chmod(0o600)
        extensions = folder / f"{stem}.ext"
        extensions.write_text(f"subjectAltName={san}\n" if san else "basicConstraints=CA:FALSE\n")
        if begin or end:
            self._issue_dated(request, certificate, extensions, begin or "20200101000000Z",
                              end or "20990101000000Z")
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                    "-CAcreateserial", "-out", certificate, "-days", "2", "-extfile", extensions)
        return certificate, private

    def _issue_dated(self, request: pathlib.Path, certificate: pathlib.Path, extensions: pathlib.Path,
                     begin: str, end: str) -> None:
        """`openssl x509` cannot backdate; `openssl ca` can."""
        index = self.folder / f"{self.name}.index"
        index.write_text("")
        config = self.folder / f"{self.name}.cnf"
        config.write_text("[ca]\ndefault_ca = own\n[own]\n"
                          f"database = {index}\nnew_certs_dir = {self.folder}\nrand_serial = yes\n"
                          "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        openssl("ca", "-batch", "-config", config, "-in", request, "-out", certificate, "-cert",
                self.certificate, "-keyfile", self.key, "-startdate", begin, "-enddate", end,
                "-extfile", extensions, "-notext")
