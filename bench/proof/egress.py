#!/usr/bin/env python3
"""Where nines connects to, and where it does not, whatever names, redirects and spellings say.

    egress.py --nines target/debug/nines [--seconds 20] [--parts scrapes,receivers] [--keep]

In a network namespace of its own, which ends with it, stand metadata services, private networks and a public network, a name
server that changes its mind, and one listener that counts every connection. nines is given the whole corpus as scrape targets,
Prometheus servers, discoveries, webhooks, Alertmanagers, mail servers, probes and requests for probes. Needs root.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

PUBLIC, PUBLIC6 = "203.0.113.10", "2001:db8::10"
OFFICE, NEXT_DOOR = "10.1.2.3", "10.1.2.4"
# Where nobody may ever get to.
METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254",
            "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:5601:5601"]
# Private ones that the configuration never names: only redirects, and names behind redirects, lead there.
PRIVATE = ["10.66.66.66", "172.16.66.66", "192.168.66.66", "100.64.66.66", "127.66.66.66", "fd66::66",
           "64:ff9b::a42:4242"]
PORTS = [80, 443, 25, 587, 3128, 8080, 9090, 9093]

# How 169.254.169.254 and its like can be written.
WRITTEN = [
    "169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0XA9FEA9FE", "025177524776", "0xA9.0xFE.0xA9.0xFE",
    "0251.0376.0251.0376", "0251.254.169.254", "0x00000000a9.254.0251.0xfe", "169.254.43518", "169.16689662",
    "0xa9.0xfea9fe", "%31%36%39.254.169.254", "169%2e254%2e169%2e254", "１６９.２５４.１６９.２５４", "169。254。169。254",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "[::169.254.169.254]", "[::ffff:0:a9fe:a9fe]", "[64:ff9b::169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[2001:0:4136:e378:8000:63bf:5601:5601]", "[fe80::a9fe:a9fe]",
    "[fe80::a9fe:a9fe%25lo]", "[fd00:ec2::254]", "[FD00:EC2:0:0::254]", "[fd00:ec2::23]", "[fd20:ce::254]",
    "100.100.100.200", "1684300744", "192.0.0.192", "168.63.129.16", "169.254.170.2",
    f"user@169.254.169.254", f"{PUBLIC}@169.254.169.254", f"{PUBLIC}:80@169.254.169.254", f"{PUBLIC}%23@169.254.169.254",
    f"169.254.169.254#@{PUBLIC}", f"169.254.169.254%00.{PUBLIC}", f"169.254.169.254\\@{PUBLIC}",
]
# Names, by what they are at: addresses of a question in turn. `=` is another name.
NAMES = {
    "meta.test": [["169.254.169.254"]], "alias.test": [["=meta.test"]], "far-alias.test": [["=alias.test"]],
    "aws6.test": [["fd00:ec2::254"]], "local6.test": [["fe80::a9fe:a9fe"]], "mapped.test": [["::ffff:169.254.169.254"]],
    "nat64.test": [["64:ff9b::a9fe:a9fe"]], "sixtofour.test": [["2002:a9fe:a9fe::1"]],
    "teredo.test": [["2001:0:4136:e378:8000:63bf:5601:5601"]], "alibaba.test": [["100.100.100.200"]],
    "azure.test": [["168.63.129.16"]], "all.test": [METADATA], "a9fea9fe.test": [["169.254.170.2", "fd20:ce::254"]],
    "rebind.test": [[PUBLIC], ["169.254.169.254"]], "rebind6.test": [[PUBLIC6], ["::ffff:169.254.169.254"]],
    "late.test": [[PUBLIC]] * 3 + [["169.254.169.254", "fd00:ec2::254"]],
    "mixed.test": [["169.254.169.254", PUBLIC, "fd00:ec2::254"]],
    "inside.test": [PRIVATE], "rebind-inside.test": [[PUBLIC], ["10.66.66.66"], ["::ffff:10.66.66.66"]],
    "ok.test": [[PUBLIC]], "office.test": [[OFFICE]], "door.test": [[NEXT_DOOR]],
}
NEVER = ["meta.test", "alias.test", "far-alias.test", "aws6.test", "local6.test", "mapped.test", "nat64.test",
         "sixtofour.test", "teredo.test", "alibaba.test", "azure.test", "all.test", "a9fea9fe.test", "META.test.",
         "rebind.test", "rebind6.test", "late.test", "mixed.test"]
STATUSES = [301, 302, 303, 307, 308]


def redirects():
    """(who redirects, status, where to) of everything that a redirect may say; the number is the path."""
    found = []
    for place in [*WRITTEN, *NEVER]:
        found += [(PUBLIC, status, f"http://{place}/") for status in (STATUSES if place in WRITTEN[:3] else [302])]
        found += [(OFFICE, 307, f"http://{place}/")]
    for place in ["10.66.66.66", "0x0a424242", "172.16.66.66", "192.168.66.66", "100.64.66.66", "127.66.66.66", "[fd66::66]",
                  "[::ffff:10.66.66.66]", "[64:ff9b::10.66.66.66]", "inside.test", "rebind-inside.test", "0.0.0.0:8080"]:
        found += [(PUBLIC, status, f"http://{place}/") for status in STATUSES]
    others = ["//169.254.169.254/", "\\\\169.254.169.254\\", "https://169.254.169.254/", "gopher://169.254.169.254:80/_GET",
              "file:///etc/passwd", "ftp://169.254.169.254:80/", "http:169.254.169.254", "http:///169.254.169.254/"]
    found += [(PUBLIC, 302, place) for place in others]
    # Chains: outside, outside again, then in.
    found += [(PUBLIC, 302, f"http://ok.test/to/{number}") for number in range(0, len(found), 3)]
    return found


REDIRECTS = redirects()
ALLOWED = {
    # What must be connected to, or all of this proves nothing: by the path that is asked for.
    "/ok-name": "http://ok.test", "/ok-address": f"http://{PUBLIC}", "/ok-office": "http://office.test",
    "/ok-private": f"http://{OFFICE}", "/ok-mixed": "http://mixed.test",
}
ALLOWED_REDIRECTS = {"/ok-led-on": (PUBLIC, 302, "http://ok.test/ok-led-on"),
                     "/ok-led-in-the-office": (OFFICE, 302, "http://door.test/ok-led-in-the-office")}


class Net:
    """The listeners, and what came."""

    def __init__(self):
        self.connections = collections.Counter()
        self.paths = collections.Counter()
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        ready.set()
        self._loop.run_forever()

    async def _open(self):
        for port in PORTS:
            for host in ("0.0.0.0", "::"):
                await asyncio.start_server(self._serve, host, port, backlog=1000)

    async def _serve(self, reader, writer):
        here = writer.get_extra_info("sockname")
        self.connections[(plain(here[0]), here[1])] += 1
        try:
            while True:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode("latin1")
                method, target, _ = head.split("\r\n")[0].split(" ", 2)
                path = urllib.parse.urlsplit(target).path
                self.paths[path] += 1
                length = [line.split(":")[1] for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                if length:
                    await reader.readexactly(int(length[0]))
                writer.write(answer(path))
                await writer.drain()
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError):
            writer.close()


def plain(address):
    """Without a scope, and an IPv4 address as itself."""
    found = ipaddress.ip_address(address.split("%")[0])
    return str(getattr(found, "ipv4_mapped", None) or found)


def answer(path):
    parts = path.split("/")
    number = int(parts[2]) if parts[1] == "to" and len(parts) > 2 and parts[2].isdigit() else None
    led = ALLOWED_REDIRECTS.get(path.removeprefix("/begin"))
    if number is not None or (led and path.startswith("/begin")):
        _, status, to = REDIRECTS[number] if number is not None else led
        return f"HTTP/1.1 {status} Go\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()
    kind, body = "text/plain; version=0.0.4", "up_total 1\n"
    if path.startswith("/api/v1"):
        kind, body = "application/json", '{"status": "success", "data": {"resultType": "matrix", "result": []}}'
    elif path.endswith("/sd"):
        kind, body = "application/json", "[]"
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Dns:
    """A name server at 127.0.0.1 whose answers change from question to question, and live for no time."""

    def __init__(self):
        self.asked = collections.Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            question, asker = self._socket.recvfrom(4096)
            try:
                self._socket.sendto(self._answer(question), asker)
            except (IndexError, struct.error):
                continue

    def _answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin1"))
            at += 1 + packet[at]
        kind = struct.unpack("!H", packet[at + 1:at + 3])[0]
        question, name = packet[12:at + 5], ".".join(labels).lower()
        self.asked[name, kind] += 1
        records, known = b"", NAMES.get(name)
        count = 0
        owner = name
        while known:
            said = known[(self.asked[name, kind] - 1) % len(known)]
            known = None
            for address in said:
                if address.startswith("="):
                    records += record(owner, 5, encoded(address[1:]))
                    owner, known, count = address[1:], NAMES[address[1:]], count + 1
                elif (":" in address) == (kind == 28) and kind in (1, 28):
                    family = socket.AF_INET6 if kind == 28 else socket.AF_INET
                    records += record(owner, kind, socket.inet_pton(family, address))
                    count += 1
        code = 0 if name in NAMES else 3
        return packet[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, count, 0, 0) + question + records


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, data):
    return encoded(owner) + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def everywhere():
    """The corpus as URLs: spellings, names, and redirects that others make of them."""
    urls = [f"http://{place}/" for place in [*WRITTEN, *NEVER]]
    urls += [f"http://{place}:8080/" for place in ["2852039166", "meta.test", "[::ffff:a9fe:a9fe]"]]
    return urls + [f"http://{who}/to/{number}" for number, (who, _, _) in enumerate(REDIRECTS)]


def allowed():
    urls = [place + path for path, place in ALLOWED.items()]
    return urls + [f"http://{who}/begin{path}" for path, (who, _, _) in ALLOWED_REDIRECTS.items()]


def as_target(number, url):
    """A scrape job of its own: what cannot be a target takes no other one with it."""
    place, _, path = url.removeprefix("http://").partition("/")
    return {"job_name": f"job-{number}", "metrics_path": f"/{path}", "static_configs": [{"targets": [place]}]}


def config(part, options):
    """nines.yml with the corpus as what `part` says."""
    urls = [*everywhere(), *allowed()]
    document = {"global": {"scrape_interval": "2s", "scrape_timeout": "1900ms", "evaluation_interval": "2s"}}
    indicator = {"total": "up_total", "bad": 'up_total{code="500"}'}
    names = ["all"]
    if part == "scrapes":
        document["scrape_configs"] = [as_target(number, url) for number, url in enumerate(urls)]
    elif part == "discoveries":
        document["scrape_configs"] = [{"job_name": f"job-{number}", "http_sd_configs": [{"url": url, "refresh_interval": "2s"}]}
                                      for number, url in enumerate(urls)]
    elif part == "servers":
        document["prometheus_servers"] = [{"name": f"server-{number}", "url": url} for number, url in enumerate(urls)]
        names = [server["name"] for server in document["prometheus_servers"]]
    elif part == "tokens":
        http = {"oauth2": {"client_id": "me", "client_secret": "pw", "scopes": []}}
        document["scrape_configs"] = [
            {"job_name": f"job-{number}", "oauth2": dict(http["oauth2"], token_url=url),
             "static_configs": [{"targets": [PUBLIC]}]} for number, url in enumerate(urls)]
    elif part == "proxies":
        document["scrape_configs"] = [{"job_name": f"job-{number}", "proxy_url": url, "static_configs": [{"targets": ["x.test"]}]}
                                      for number, url in enumerate(urls) if not url.rsplit("/", 1)[-1].isdigit()]
    elif part == "receivers":
        mails = [urllib.parse.urlsplit(url).netloc for url in urls if "/to/" not in url and "/begin" not in url]
        # Nobody is there, so that there is something to tell.
        document["scrape_configs"] = [{"job_name": "nobody", "static_configs": [{"targets": ["127.0.0.1:1"]}]}]
        document["receivers"] = [{
            "name": "all", "webhook_configs": [{"url": url} for url in urls],
            "alertmanager_configs": [{"url": url} for url in urls],
            "email_configs": [{"to": "a@example.org", "from": "b@example.org", "require_tls": False,
                               "smarthost": f"{place.removesuffix(':8080')}:{port}"} for place in mails for port in (25, 587)]}]
    elif part == "probes":
        document["probe_modules"] = {"http": {"prober": "http"}, "tcp": {"prober": "tcp"}}
        document["probes"] = [{"job_name": f"{module}-{number}", "module": module, "interval": "2s", "timeout": "1s",
                               "static_configs": [{"targets": [url if module == "http" else authority(url)]}]}
                              for number, url in enumerate(urls) for module in ("http", "tcp")]
    slos = [{"name": f"slo-{number}", "objective": 99, "window": "1d", "alerting": {"no_data_for": "1m"},
             "indicator": dict(indicator, source=name) if part == "servers" else indicator}
            for number, name in enumerate(names)]
    return document, {"version": "nines/v1", "service": "egress", "slos": slos}


def authority(url):
    place = urllib.parse.urlsplit(url).netloc
    return place if place.rsplit(":", 1)[-1].isdigit() and not place.endswith("]") else f"{place}:80"


LISTS = {"scrapes": ["scrape_configs"], "discoveries": ["scrape_configs"], "tokens": ["scrape_configs"],
         "proxies": ["scrape_configs"], "servers": ["prometheus_servers"], "probes": ["probes"],
         "receivers": ["webhook_configs", "alertmanager_configs", "email_configs"]}


class Nines:
    """One daemon, with what of a part its configuration takes."""

    def __init__(self, options, folder, part):
        self.part, self.options = part, options
        self.folder = os.path.join(folder, part)
        os.makedirs(os.path.join(self.folder, "slos"))
        self.document, self.slos = config(part, options)
        self.refused = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = None

    def write(self):
        for name, document in (("nines.yml", dict(self.document, slo_files=["slos/*.yaml"])), ("slos/egress.yaml", self.slos)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                json.dump(document, file)

    def entries(self):
        holder = self.document["receivers"][0] if self.part == "receivers" else self.document
        return [(holder, key) for key in LISTS.get(self.part, [])]

    def sift(self):
        """Leaves out what is refused as it is written: it will connect to nothing."""
        for holder, key in self.entries():
            kept = self.taken(holder, key, holder[key])
            self.refused += len(holder[key]) - len(kept)
            holder[key] = kept
        if self.part == "servers":
            known = {server["name"] for server in self.document["prometheus_servers"]}
            self.slos["slos"] = [slo for slo in self.slos["slos"] if slo["indicator"]["source"] in known]
        self.write()

    def taken(self, holder, key, entries):
        """Those of the entries that `nines check` takes."""
        if not entries or self.takes(holder, key, entries):
            return entries
        half = len(entries) // 2
        return [] if not half else [*self.taken(holder, key, entries[:half]), *self.taken(holder, key, entries[half:])]

    def takes(self, holder, key, entries):
        document = json.loads(json.dumps(self.document))
        inner = document["receivers"][0] if self.part == "receivers" else document
        for other in LISTS[self.part]:
            inner[other] = []
        inner[key] = entries
        path = os.path.join(self.folder, "one.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(document, file)
        done = subprocess.run([self.options.nines, "check", path], capture_output=True, check=False, timeout=60)
        return done.returncode == 0

    def start(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                [self.options.nines, "serve", f"--config.file={self.folder}/nines.yml", f"--storage.url=sqlite:{self.folder}/nines.db",
                 f"--web.listen-address=127.0.0.1:{self.port}"], cwd=self.folder, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while self.get("/-/ready")[0] != 200:
            if self.process.poll() is not None or time.monotonic() > until:
                with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                    sys.exit(f"nines does not start with the {self.part}:\n{log.read()[-3000:]}")
            time.sleep(0.2)

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=40) as found:
                return found.status, found.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError:
            return 0, ""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()


def ask_for_probes(nines):
    """`/probe` for the whole corpus; how many verdicts there were."""
    asked = [(module, target) for url in [*everywhere(), *allowed()] for module, target in
             (("http_2xx", url), ("tcp_connect", authority(url)))]
    # By name or address, private ones are for the configuration alone.
    asked += [(module, place) for place in ["inside.test:80", "10.66.66.66:80", "127.66.66.66:8080", "[fd66::66]:80",
                                            "[::ffff:10.66.66.66]:80", "rebind-inside.test:80"]
              for module in ("http_2xx", "tcp_connect")]

    def ask(one):
        query = urllib.parse.urlencode({"module": one[0], "target": one[1]})
        return nines.get(f"/probe?{query}")[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return collections.Counter(pool.map(ask, asked))


def inside(options):
    for address in [PUBLIC, PUBLIC6, OFFICE, NEXT_DOOR, *METADATA, *PRIVATE]:
        bits = 128 if ":" in address else 32
        more = ["nodad"] if ":" in address else []
        if not address.startswith("127."):
            subprocess.run(["ip", "address", "add", f"{address}/{bits}", "dev", "lo", *more], check=True)
    folder = tempfile.mkdtemp(prefix="nines-egress-")
    os.chmod(folder, 0o755)
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"), ("nsswitch.conf", "hosts: files dns\n")):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["mount", "--bind", path, os.path.realpath(f"/etc/{name}")], check=True)
    net, dns, rows, wrong = Net(), Dns(), [], []
    try:
        control(net)
        for part in options.parts:
            rows.append(run(part, options, folder, net, dns, wrong))
    finally:
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{'as':12} {'entries':>8} {'refused as written':>19} {'connections':>12} {'names asked':>12} {'where nothing may go':>21}")
    for row in rows:
        print(f"{row[0]:12} {row[1]:8} {row[2]:19} {row[3]:12} {row[4]:12} {row[5]:21}")
    for line in wrong:
        print(line)
    print(f"{len(wrong)} off")
    sys.exit(1 if wrong else 0)


def control(net):
    """The traps must be able to catch: each is connected to once, by this program itself."""
    places = [place for place in [*METADATA, *PRIVATE] if not place.startswith("fe80")]
    for place in places:
        socket.create_connection((place, 80), timeout=5).close()
    until = time.monotonic() + 5
    while sum(net.connections.values()) < len(places) and time.monotonic() < until:
        time.sleep(0.05)
    missed = [place for place in places if not net.connections[plain(place), 80]]
    if missed:
        sys.exit(f"these traps catch nothing: {missed}")
    net.connections.clear()


def run(part, options, folder, net, dns, wrong):
    net.connections.clear()
    net.paths.clear()
    asked_before = sum(dns.asked.values())
    nines = Nines(options, folder, part)
    try:
        nines.sift()
        entries = sum(len(holder[key]) for holder, key in nines.entries())
        nines.start()
        if part == "requests":
            statuses = ask_for_probes(nines)
            entries = sum(statuses.values())
            nines.refused = entries - statuses[200]
        elif part == "receivers":
            until = time.monotonic() + 240
            while not net.paths["/ok-name"] and time.monotonic() < until:
                time.sleep(1)
            time.sleep(options.seconds)
        else:
            time.sleep(options.seconds)
    finally:
        nines.stop()
    forbidden = {plain(place) for place in [*METADATA, *PRIVATE]}
    if part == "requests":
        forbidden |= {OFFICE, NEXT_DOOR}
    bad = {place: count for place, count in net.connections.items() if place[0] in forbidden}
    wrong += [f"{part}: {count} connections to {place[0]}, port {place[1]}" for place, count in sorted(bad.items())]
    wrong += [f"{part}: nobody has asked for {path}" for path in missing(part, net)]
    return part, entries, nines.refused, sum(net.connections.values()), sum(dns.asked.values()) - asked_before, sum(bad.values())


def missing(part, net):
    """What must have been reached and was not."""
    paths = {
        "scrapes": [*ALLOWED, *ALLOWED_REDIRECTS], "discoveries": [*ALLOWED, *ALLOWED_REDIRECTS], "tokens": list(ALLOWED),
        "receivers": list(ALLOWED), "proxies": ["/metrics"],
        # A probe tries the first address of a name and no other, so that it says what is wrong with `mixed.test`.
        "probes": [path for path in [*ALLOWED, *ALLOWED_REDIRECTS] if path != "/ok-mixed"],
        "requests": ["/ok-name", "/ok-address", "/ok-led-on"], "servers": [],
    }[part]
    missed = [path for path in paths if not net.paths[path]]
    if part == "servers" and not any(path.startswith("/ok-") and "/api/v1/" in path for path in net.paths):
        missed.append("/ok-…/api/v1/query")
    if part == "receivers" and not (net.connections[PUBLIC, 25] and net.connections[OFFICE, 25]):
        missed.append("the mail servers at port 25")
    return missed


PARTS = ["scrapes", "discoveries", "servers", "tokens", "proxies", "receivers", "probes", "requests"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nines", required=True)
    parser.add_argument("--seconds", type=float, default=20, help="how long each part runs (20)")
    parser.add_argument("--parts", type=lambda text: text.split(","), default=PARTS, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configurations and logs")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.nines = os.path.abspath(options.nines)
    if os.geteuid() != 0:
        sys.exit("this needs root: it makes a network namespace in which metadata services can be played")
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        inside(options)
    # Namespaces of network and mounts end with the last process in them: nothing is left behind.
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, os.path.abspath(__file__),
                          "--inside", *sys.argv[1:]])


if __name__ == "__main__":
    main()
