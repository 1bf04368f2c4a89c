"""Certificates that vouch for themselves, made by OpenSSL for one test."""

import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path


def write_certificate(program: Path, folder: Path) -> None:
    """One of 127.0.0.1: cert.pem and key.pem."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key.pem")
    named = ("-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    subprocess.run(
        [program, "req", "-x509", *key, *named, "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
        timeout=30,
    )


def trusting(folder: Path) -> ssl.SSLContext:
    """A client that trusts this certificate and no other."""
    return ssl.create_default_context(cafile=folder / "cert.pem")


def shown(folder: Path) -> Callable[[], ssl.SSLContext]:
    """A server with this certificate, for good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return lambda: context
