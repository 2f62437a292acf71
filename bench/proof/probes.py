#!/usr/bin/env python3
"""Probes beside Debian's blackbox exporter: a farm of servers, the same modules, the same targets, both verdicts.

    probes.py --nines target/release/nines [--only WORD] [--keep]

Both have the same modules. A row for each case: the verdicts, nines's reason, the metrics that differ. It fails
where verdicts or metrics differ and nothing here explains why. Needs the Debian packages prometheus-blackbox-exporter
and openssl, nothing else, and goes nowhere but to this machine. Takes about half a minute.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from kit import kinds
from kit.daemon import LABEL, Daemon, free_port, wait_for
from kit.farm import HOST, Authority, Server, closed_port, full_queue, hang, over_tls, shop

# How long a probe may take; both are told the same.
TIMEOUT = "1500ms"
# What says how long something took, and what the Debian package is too old for.
TIMED = re.compile(r"duration|lookup_time|probe_timeout_seconds|probe_expect_info")
# A label of metrics, and an option of scripts, that the Debian package is too old for.
NEWER = {"serialnumber", "labels"}
MIN, MAX = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@dataclass
class Case:
    """One target and how it is probed. `why` explains where verdicts differ, `metrics` where metrics do."""

    name: str
    target: str
    options: dict = field(default_factory=dict)
    why: str = ""
    metrics: dict = field(default_factory=dict)
    prober: str = "http"

    def module(self):
        options = {"preferred_ip_protocol": "ip4", **self.options}
        return {"prober": self.prober, "timeout": TIMEOUT, self.prober: options}


UNVERIFIED = {"probe_ssl_last_chain_expiry_timestamp_seconds":
              "no chain was believed: blackbox exporter shows the year 1, nines nothing"}
SEEN = {name: "nines shows the certificate that it has refused" for name in (
    "probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_info")}
HALFWAY = {name: "the handshake is over when the server refuses it: nines shows what it has seen" for name in (
    *SEEN, *UNVERIFIED, "probe_tls_version_info")}
ECHOED = {name: "requests are echoed, and each names its own agent" for name in (
    "probe_http_content_length", "probe_http_uncompressed_body_length")}
BLAMED = {"probe_failed_due_to_regex": "blackbox exporter blames the condition where the body cannot be unpacked"}
UNREAD = {"probe_http_uncompressed_body_length": "Go closes the answer where redirects are not followed, nines reads it"}


class Farm:
    """All servers."""

    def __init__(self, folder, stack):
        self.folder = folder
        self.root, other = Authority(folder, "root"), Authority(folder, "other")
        start = self.start = lambda *args, **more: self._start(stack, *args, **more)
        self.seen = SEEN
        here = f"IP:{HOST},DNS:localhost"
        good = self.root.issue("good", here)
        self.plain = start(shop())
        self.shop = start(shop(f"http://{self.plain.address}/echo"))
        self.hanging = start(hang)
        self.good = start(shop(f"http://{self.plain.address}/echo"), over_tls(*good))
        self.up = start(shop(f"https://{self.good.address}/"))
        self.old = start(shop(), over_tls(*good, maximum_version=MIN))
        self.new = start(shop(), over_tls(*good, minimum_version=MAX))
        self.expired = start(shop(), over_tls(*self.root.issue("expired", here, "20200101000000Z", "20210101000000Z")))
        self.early = start(shop(), over_tls(*self.root.issue("early", here, "20480101000000Z", "20491231235959Z")))
        self.named = start(shop(), over_tls(*self.root.issue("named", "DNS:www.shop.example")))
        self.untrusted = start(shop(), over_tls(*other.issue("untrusted", here)))
        self.itself = start(shop(), over_tls(other.pem, other.key))
        mutual = over_tls(*good)
        mutual.load_verify_locations(self.root.pem)
        mutual.verify_mode = ssl.CERT_REQUIRED
        self.mutual = start(shop(), mutual)
        self.client = self.root.issue("client", "DNS:nines")
        self.other = other.pem
        self.full, kept = full_queue()
        for one in kept:
            stack.callback(one.close)
        self.closed = closed_port()

    @staticmethod
    def _start(stack, *arguments, **more):
        server = Server(*arguments, **more)
        stack.callback(server.close)
        return server

    def url(self, path, server=None):
        return f"http://{(server or self.shop).address}{path}"

    def tls(self, **more):
        return {"tls_config": {"ca_file": self.root.pem, **more}}


def answers(farm):
    """HTTP answers and the conditions on them."""
    url = farm.url
    body = lambda kind, *texts: {f"fail_if_body_{kind}_regexp": list(texts)}
    header = lambda kind, name, text, missing=False: {
        f"fail_if_header_{kind}": [{"header": name, "regexp": text, "allow_missing": missing}]}
    yield Case("200", url("/"))
    yield Case("no scheme", f"{farm.shop.address}/")
    for status in (201, 299, 304, 400, 404, 500, 503):
        yield Case(f"status {status}", url(f"/status/{status}"))
    yield Case("valid status", url("/status/404"), {"valid_status_codes": [403, 404]})
    yield Case("no valid status", url("/"), {"valid_status_codes": [204]})
    yield Case("204", url("/empty"))
    yield Case("HTTP/1.0 until its end", url("/until-end"))
    yield Case("chunks", url("/chunked"))
    yield Case("100 first", url("/continue"))
    yield Case("HEAD", url("/"), {"method": "HEAD"})
    yield Case("POST with a body", url("/echo"), {"method": "POST", "body": "order", **body("not_matches", "^POST", "order$")},
               metrics=ECHOED)
    yield Case("version", url("/"), {"valid_http_versions": ["HTTP/1.1"]})
    yield Case("another version", url("/"), {"valid_http_versions": ["HTTP/2.0"]})
    yield Case("body matches", url("/"), body("matches", "shop"))
    yield Case("body does not match", url("/"), body("matches", "error"))
    yield Case("body as wanted", url("/"), body("not_matches", "shop", "^welcome"))
    yield Case("body not as wanted", url("/"), body("not_matches", "shop", "checkout"))
    yield Case("header matches", url("/"), header("matches", "server", "sh.p"))
    yield Case("one of two headers matches", url("/"), header("matches", "Via", "^b$"))
    yield Case("header is missing", url("/"), header("matches", "X-None", "b"))
    yield Case("header may be missing", url("/"), header("matches", "X-None", "b", True))
    yield Case("header as wanted", url("/"), header("not_matches", "Server", "^shop$"))
    yield Case("header not as wanted", url("/"), header("not_matches", "Server", "pay"))
    yield Case("one of two headers as wanted", url("/"), header("not_matches", "Via", "b"))
    yield Case("as large as it may be", url("/"), {"body_size_limit": "19B"})
    yield Case("larger", url("/"), {"body_size_limit": "18B"})
    for packing, path in (("gzip", "/gzip"), ("deflate", "/deflate"), ("identity", "/"), ("gzip", "/"), ("br", "/gzip")):
        yield Case(f"{packing} of {path}", url(path), {"compression": packing, **body("not_matches", "^welcome")},
                   metrics=BLAMED if packing == "br" else {})
    yield Case("deflate with the head that the standard wants", url("/zlib"), {"compression": "deflate"},
               why="blackbox exporter takes only deflate without the head of zlib; nines takes both")
    yield Case("half of gzip", url("/half-gzip"), {"compression": "gzip"})
    yield Case("gzip that nobody expects", url("/gzip"), body("not_matches", "^welcome"))
    yield Case("a bomb", url("/bomb"), {"compression": "gzip", "body_size_limit": "1MB"})
    yield Case("no TLS", url("/"), {"fail_if_not_ssl": True})
    yield Case("no TLS, as wanted", url("/"), {"fail_if_ssl": True})
    for broken in ("garbage", "nothing", "half-head", "half-body", "hang", "hang-in-body"):
        yield Case(broken, url(f"/{broken}"))
    yield Case("nobody listens", f"http://{farm.closed}/")
    yield Case("nobody answers", f"http://{farm.full}/")


def requests(farm):
    """Redirects, and what is sent."""
    url = farm.url
    wanting = lambda *texts: {"fail_if_body_not_matches_regexp": list(texts)}
    failing = lambda *texts: {"fail_if_body_matches_regexp": list(texts)}
    basic = {"basic_auth": {"username": "nines", "password": "word"}}
    yield Case("one redirect", url("/redirect/1"))
    yield Case("ten redirects", url("/redirect/10"))
    yield Case("eleven redirects", url("/redirect/11"))
    yield Case("for ever", url("/loop"))
    yield Case("not followed", url("/redirect/1"), {"follow_redirects": False})
    yield Case("not followed, as wanted", url("/redirect/1"), {"follow_redirects": False, "valid_status_codes": [302]},
               metrics=UNREAD)
    yield Case("to nowhere", url("/nowhere"))
    yield Case("to no HTTP", url("/ftp"))
    yield Case("to where the policy lets nothing go", url("/denied"))
    yield Case("to another server", url("/elsewhere"), wanting("^GET /echo"), metrics=ECHOED)
    yield Case("303 after POST", url("/redirect/1/303"), {"method": "POST", "body": "order", **wanting("^GET")}, metrics=ECHOED)
    yield Case("307 after POST", url("/redirect/1/307"), {"method": "POST", "body": "order", **wanting("^POST", "order$")},
               metrics=ECHOED)
    yield Case("a cookie", url("/sign-in"))
    yield Case("credentials", url("/private"), basic)
    yield Case("no credentials", url("/private"))
    yield Case("credentials of the URL", f"http://nines:word@{farm.shop.address}/private")
    yield Case("credentials stay at home", url("/elsewhere"), {**basic, **failing("(?i)authorization")},
               why="blackbox exporter shows the credentials to whoever it is redirected to; nines to nobody else")
    yield Case("a token", url("/echo"), {"authorization": {"credentials": "word"}, **wanting("(?i)authorization: Bearer word")},
               metrics=ECHOED)
    yield Case("a header", url("/echo"), {"headers": {"X-Key": "a"}, **wanting("(?i)x-key: a")}, metrics=ECHOED)
    yield Case("another host", url("/echo"), {"headers": {"Host": "www.shop.example"}, **wanting("(?i)host: www.shop.example")},
               metrics=ECHOED)
    yield Case("through a proxy", "http://127.0.0.1/echo", {"proxy_url": url("/"), **wanting("^GET http://127.0.0.1")},
               metrics=ECHOED)
    yield Case("through no proxy", url("/"), {"proxy_url": f"http://{farm.closed}"})


def secured(farm):
    """HTTP over TLS."""
    url = lambda server, path="/": f"https://{server.address}{path}"
    tls = farm.tls
    yield Case("TLS", url(farm.good), tls())
    yield Case("TLS that is not wanted", url(farm.good), {**tls(), "fail_if_ssl": True})
    yield Case("TLS, as wanted", url(farm.good), {**tls(), "fail_if_not_ssl": True})
    yield Case("no TLS there", url(farm.shop), tls())
    yield Case("HTTP where TLS is", farm.url("/", farm.good), tls())
    yield Case("expired", url(farm.expired), tls(), metrics=SEEN)
    yield Case("not yet valid", url(farm.early), tls(), metrics=SEEN)
    yield Case("another name", url(farm.named), tls(), metrics=SEEN)
    yield Case("its name", url(farm.named), tls(server_name="www.shop.example"))
    yield Case("its name as the host", url(farm.named), {**tls(), "headers": {"Host": "www.shop.example"}})
    yield Case("untrusted", url(farm.untrusted), tls(), metrics=SEEN)
    yield Case("untrusted and believed", url(farm.untrusted), tls(insecure_skip_verify=True), metrics=UNVERIFIED)
    yield Case("expired and believed", url(farm.expired), tls(insecure_skip_verify=True), metrics=UNVERIFIED)
    yield Case("signed by itself", url(farm.itself), tls(), metrics=SEEN)
    yield Case("no authority of the system", url(farm.good), metrics=SEEN)
    yield Case("TLS 1.2", url(farm.old), tls())
    yield Case("TLS 1.3", url(farm.new), tls())
    yield Case("too old", url(farm.old), tls(min_version="TLS13"))
    yield Case("too new", url(farm.new), tls(max_version="TLS12"))
    yield Case("no client certificate", url(farm.mutual), tls(), metrics=HALFWAY)
    yield Case("a client certificate", url(farm.mutual), tls(cert_file=farm.client[0], key_file=farm.client[1]))
    yield Case("no handshake", url(farm.hanging), tls())
    yield Case("redirected to TLS", farm.url("/elsewhere", farm.up), tls(), metrics=ECHOED)
    yield Case("redirected from TLS", url(farm.good, "/elsewhere"), tls(), metrics=ECHOED)
    yield Case("no such ca_file", url(farm.good), {"tls_config": {"ca_file": os.path.join(farm.folder, "none.pem")}},
               why="the module cannot be used: no verdict on the service; blackbox exporter calls it down")


def of_kind(group):
    """The cases of another kind of probe."""

    def cases(farm):
        for name, prober, target, options, more in group(farm, farm.start):
            yield Case(name, target, options, prober=prober, **more)

    return cases


GROUPS = [answers, requests, secured, *map(of_kind, kinds.GROUPS)]


class Blackbox:
    """Debian's blackbox exporter."""

    def __init__(self, config, stack, log):
        self._at = f"{HOST}:{free_port()}"
        command = ["prometheus-blackbox-exporter", f"--config.file={config}", f"--web.listen-address={self._at}"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_for("blackbox exporter answers", self._answers, 10)

    def _answers(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://{self._at}/-/healthy", timeout=1).status == 200
        return False

    def probe(self, number, target):
        query = urllib.parse.urlencode({"module": f"m{number}", "target": target})
        with urllib.request.urlopen(f"http://{self._at}/probe?{query}", timeout=20) as page:
            samples = dict(read_samples(page.read().decode()))
        return samples.pop("probe_success") == 1.0, samples


def read_samples(page):
    """Names with labels, and values."""
    for line in page.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            found = [label for label in LABEL.findall(labels) if label[0] not in NEWER]
            yield key(name, [(label, text.replace('\\"', '"').replace("\\\\", "\\")) for label, text in found]), float(value)


def older(options):
    """Options without those that the Debian package is too old for."""
    if isinstance(options, dict):
        return {name: older(value) for name, value in options.items() if name not in NEWER}
    return [older(value) for value in options] if isinstance(options, list) else options


def key(name, labels):
    shown = ",".join(f"{label}={text}" for label, text in sorted(labels))
    return f"{name}{{{shown}}}" if shown else name


class Nines:
    """A daemon whose `/probe` is asked. What is asked over the API may go to this machine only where the policy says so."""

    SLOS = {"version": "nines/v1", "service": "shop", "slos": [
        {"name": "any", "objective": 99, "window": "1d", "indicator": {"total": "a_total", "bad": "b_total"}}]}

    def __init__(self, program, modules, folder, stack):
        # The exporter's own file, so that nothing in it is taken for a variable of the environment.
        own = os.path.join(folder, "modules.yml")
        with open(own, "w", encoding="utf-8") as file:
            json.dump({"modules": modules}, file)
        config = {"probe_module_files": [own], "egress": {"allow": [f"{HOST}/8", "::1/128"], "deny": ["127.0.0.2"]}}
        store = f"sqlite://{os.path.join(folder, 'nines.db')}"
        self._daemon = Daemon(program, folder, store, config, self.SLOS).start()
        stack.callback(self._daemon.stop)

    def probe(self, number, target):
        query = urllib.parse.urlencode({"module": f"m{number}", "target": target})
        status, page = self._daemon.get(f"/probe?{query}")
        if status != 200:
            return "error", str(status), page.strip(), {}
        samples = dict(read_samples(page))
        info = next(series for series in samples if series.startswith("nines_probe_verdict_info"))
        outcome, reason = re.search(r"outcome=(\w+),reason=(\w+)", info).groups()
        for series in (info, "probe_success"):
            del samples[series]
        return outcome, reason, "", samples


def compare(case, blackbox, nines):
    """Which metrics differ without an explanation. Of what failed, only what was answered is compared."""
    differing = []
    for series in sorted(set(blackbox) | set(nines)):
        name = series.partition("{")[0]
        if TIMED.search(name) or name in case.metrics or name == "probe_tls_cipher_info":
            continue
        ours, theirs = nines.get(series), blackbox.get(series)
        if ours != theirs:
            differing.append(f"{series}: blackbox {theirs}, nines {ours}")
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nines", required=True, metavar="PATH")
    parser.add_argument("--only", default="", metavar="WORD", help="only cases whose name holds it")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args()
    started, folder = time.monotonic(), tempfile.mkdtemp(prefix="nines-probes-")
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        farm = Farm(folder, stack)
        cases = [case for group in GROUPS for case in group(farm) if options.only in case.name]
        config = os.path.join(folder, "blackbox.yml")
        modules = {f"m{number}": case.module() for number, case in enumerate(cases)}
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"modules": older(modules)}, file, indent=1)
        log = stack.enter_context(open(os.path.join(folder, "blackbox.log"), "w", encoding="utf-8"))
        blackbox, nines = Blackbox(config, stack, log), Nines(options.nines, modules, folder, stack)
        probe = lambda number: (blackbox.probe(number, cases[number].target), nines.probe(number, cases[number].target))
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = list(pool.map(probe, range(len(cases))))
    off = sum(not show(case, *results) for case, results in zip(cases, found))
    print(f"{time.monotonic() - started:.0f} s, {len(cases)} cases")
    print(f"{off} off")
    return 1 if off else 0


def show(case, blackbox, nines):
    """One row; whether it is as it should be."""
    (success, theirs), (outcome, reason, detail, ours) = blackbox, nines
    agrees = success == (outcome == "good") and outcome != "unknown"
    # What is explained must be so: an explanation that explains nothing is off as well.
    differing = compare(case, theirs, ours) if not case.why else []
    fine = agrees != bool(case.why) and not differing
    word = "good" if success else "bad"
    print(f"{'ok ' if fine else 'OFF'} {case.name:44} blackbox {word:4} nines {outcome:7} {reason}")
    if case.why:
        print(f"      {case.why}")
    if not fine and detail:
        print(f"      {detail}")
    for line in differing:
        print(f"      {line}")
    return fine


if __name__ == "__main__":
    sys.exit(main())
