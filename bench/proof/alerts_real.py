#!/usr/bin/env python3
"""Alerts against real things: Debian's Postfix (STARTTLS, login) and Alertmanager, a webhook receiver, and arithmetic.

    alerts_real.py --nines target/release/nines [--storage sqlite|postgres] [--keep]

Three services run at once: `shop` fails and recovers; `steady` fails by a constant ratio from a known second; `gone`
fails, then does not answer for a while, and recovers. Needs root and the Debian packages postfix, dovecot-core and
prometheus-alertmanager. Takes about four minutes.
"""

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from kit.cluster import Cluster
from kit.daemon import Daemon, Failed, free_port, wait_for
from kit.postfix import BOX, USER, Postfix
from kit.proof import arguments, table
from kit.shop import Shop
from kit.stepwise import Webhook

SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes, or so").decode()
OBJECTIVE, FACTOR, LONG_S, SHORT_S = 99, 14.4, 120, 60
RATE, RATIO, WARM_S = 100, 0.5, 100
RESEND_S = 5
# Scraped once a second, evaluated once a second, and the machine has other things to do.
LATE_MAX_S = 3.0


def main():
    options = arguments(__doc__)
    started, folder, checks = time.monotonic(), tempfile.mkdtemp(prefix="nines-alerts-"), Checks()
    os.chmod(folder, 0o755)
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        try:
            world = World(options, folder, stack)
            firing_and_recovery(world, checks)
            without_data(world, checks)
            arithmetic(world, checks)
            checks.add("nothing is left owed, nothing is a dead letter", world.all_delivered(), "")
        except (Failed, OSError) as failure:
            checks.add("the proof ran to its end", False, str(failure))
    checks.show()
    print(f"{time.monotonic() - started:.0f} s")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


class Checks:
    """The table that is printed."""

    def __init__(self):
        self._rows, self.passed, self.failed = [], 0, 0

    def add(self, what, holds, seen=""):
        self.passed += bool(holds)
        self.failed += not holds
        self._rows.append((what, "ok" if holds else "FAIL", " ".join(str(seen).split())[:110]))

    def wait(self, what, probe, seconds):
        """A check that may come true a little later; what the probe gave."""
        with contextlib.suppress(Failed):
            began = time.monotonic()
            answer = wait_for(what, probe, seconds)
            self.add(what, True, f"after {time.monotonic() - began:.1f} s")
            return answer
        self.add(what, False, f"not within {seconds} s")
        return None

    def show(self):
        table([("check", "", ""), *((what, word, "") for what, word, _ in self._rows)])
        print()
        for what, _, seen in self._rows:
            if seen:
                print(f"  {what}: {seen}")


class World:
    """All processes of the proof."""

    def __init__(self, options, folder, stack):
        self.folder = folder
        self.postfix = Postfix(folder)
        stack.callback(self.postfix.close)
        self.alertmanager = Alertmanager(folder)
        stack.callback(self.alertmanager.close)
        self.hook = Webhook()
        stack.callback(self.hook.close)
        url = f"sqlite:{folder}/nines.db"
        if options.storage == "postgres":
            cluster = Cluster(folder)
            stack.callback(cluster.crash)
            url = cluster.url()
        self.shops = {name: Shop() for name in ("shop", "steady", "gone")}
        for shop in self.shops.values():
            stack.callback(shop.close)
        self.nines = Daemon(options.nines, folder, url, self._config(), self._slos())
        stack.callback(self.nines.stop)
        self.shops["steady"].steady(good=RATE, bad=0)
        self.nines.start()
        wait_for("baselines", lambda: all(self.nines.has_baseline(f"{name}/availability") for name in self.shops), 30)
        for name in ("shop", "gone"):
            self.shops[name].burst(good=1000)
        wait_for("counted events", lambda: all(self.slo(name)["events"]["total"] for name in self.shops), 30)

    def slo(self, name):
        return self.nines.data(f"/api/v1/slos/{name}/availability")

    def burn_alert(self, name):
        """The SLO's burn alert as the API shows it."""
        return next(one for one in self.slo(name)["alerts"] if one["name"] == "SLOBurn")

    def all_delivered(self):
        found = self.nines.data("/api/v1/notifications?limit=1000")["notifications"]
        return all(one["state"] == "delivered" for one in found)

    def mails(self, subject, service, first=None):
        """The mails whose subject begins so, about that service, and after `first` those that follow it."""
        found = [mail for mail in self.postfix.mails()
                 if str(mail["Subject"]).startswith(subject) and f"{service}/availability" in str(mail["X-Nines-SLO"])]
        return [mail for mail in found if first is None or first["Message-ID"] in str(mail["References"])]

    def _config(self):
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [shop.address]}]}
                               for name, shop in self.shops.items()],
            "route": {"receiver": "oncall", "group_by": ["service", "slo", "alertname"], "group_wait": "0s",
                      "group_interval": "1s", "repeat_interval": "4h"},
            "receivers": [{
                "name": "oncall",
                "email_configs": [{
                    "to": BOX, "from": "nines@mail.test", "smarthost": self.postfix.address, "require_tls": True,
                    "tls_config": {"ca_file": self.postfix.ca_file}, "auth_username": USER,
                    "auth_password_file": self.postfix.password_file, "send_resolved": True}],
                "webhook_configs": [{"url": self.hook.url, "secret": SECRET, "send_resolved": True}],
                "alertmanager_configs": [{"url": self.alertmanager.url, "resend_interval": f"{RESEND_S}s"}]}]}

    def _slos(self):
        # One file holds one service, so the folder gets one for each.
        for name in list(self.shops)[1:]:
            os.makedirs(f"{self.folder}/slos", exist_ok=True)
            with open(f"{self.folder}/slos/{name}.yaml", "w", encoding="utf-8") as file:
                json.dump(self._slo_file(name), file)
        return self._slo_file("shop")

    def _slo_file(self, name):
        total, bad = f'http_requests_total{{job="{name}"}}', f'http_requests_total{{job="{name}",code=~"5.."}}'
        burn = {"severity": "page", "long": f"{LONG_S // 60}m", "short": f"{SHORT_S // 60}m", "factor": FACTOR}
        return {"version": "nines/v1", "service": name, "labels": {"team": "payments"}, "slos": [
            {"name": "availability", "objective": OBJECTIVE, "window": "1d", "indicator": {"total": total, "bad": bad},
             "annotations": {"runbook_url": f"https://runbooks.test/{name}"},
             "alerting": {"burn": [burn], "no_data_for": "1m"}}]}


class Alertmanager:
    """Debian's, with a storage of its own."""

    def __init__(self, folder):
        binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if not binary:
            raise Failed("needs Debian's package prometheus-alertmanager")
        self.url = f"http://127.0.0.1:{free_port()}"
        home = os.path.join(folder, "alertmanager")
        os.makedirs(home)
        with open(f"{home}/config.yml", "w", encoding="utf-8") as file:
            file.write("route: {receiver: none}\nreceivers: [{name: none}]\n")
        command = [binary, f"--config.file={home}/config.yml", f"--storage.path={home}/data", "--cluster.listen-address=",
                   f"--web.listen-address={self.url.removeprefix('http://')}"]
        with open(f"{home}/log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for("Alertmanager", lambda: self.alerts("shop") is not None, 30)
        except Failed:
            self.close()
            raise

    def alerts(self, service):
        """Its alerts of a service that have not ended; `None` while it does not answer."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=5) as answer:
            return [one for one in json.load(answer) if one["labels"].get("service") == service]
        return None

    def burn(self, service):
        return next((one for one in self.alerts(service) or [] if one["labels"]["alertname"] == "SLOBurn"), None)

    def close(self):
        self._process.terminate()
        self._process.wait(15)


def firing_and_recovery(world, checks):
    """A trigger and its resolve by mail, webhook and Alertmanager."""
    for name in ("shop", "gone"):
        world.shops[name].burst(bad=5000)
    trigger = checks.wait("postfix: the trigger lies in the Maildir", lambda: first(world.mails("[FIRING]", "shop")), 30)
    alert = checks.wait("alertmanager: the alert is there", lambda: world.alertmanager.burn("shop"), 15)
    if alert:
        labels = {name: alert["labels"].get(name) for name in ("alertname", "service", "slo", "severity", "team")}
        wanted = {"alertname": "SLOBurn", "service": "shop", "slo": "availability", "severity": "page",
                  "team": "payments"}
        checks.add("alertmanager: its labels", labels == wanted, alert["labels"])
        annotations = alert["annotations"]
        checks.add("alertmanager: its annotations",
                   annotations.get("runbook_url") == "https://runbooks.test/shop" and "burns" in annotations["summary"],
                   annotations)
        checks.add("alertmanager: it is active", alert["status"]["state"] == "active", alert["status"]["state"])
        later = [alert["updatedAt"]]
        checks.wait(f"alertmanager: posted again twice, every {RESEND_S} s", lambda: posted_again(world, later), 25)
        ahead = moment(world.alertmanager.burn("shop")["endsAt"]) - time.time()
        checks.add("alertmanager: it would end by itself within four resends", 0 < ahead <= 4 * RESEND_S,
                   f"in {ahead:.1f} s")
    world.shops["gone"].go_away()
    world.gone_at = time.time()
    world.shops["shop"].burst(good=1_000_000)
    resolve = checks.wait("postfix: the resolve lies there too", lambda: first(world.mails("[RESOLVED]", "shop")), 30)
    checks.wait("alertmanager: the alert has ended", lambda: not world.alertmanager.alerts("shop"), 15)
    if trigger and resolve:
        check_mails(checks, trigger, resolve)
    checks.add("postfix: exactly one trigger and one resolve",
               len(world.mails("[FIRING]", "shop")) == len(world.mails("[RESOLVED]", "shop")) == 1)
    check_webhooks(world, checks)


def check_mails(checks, trigger, resolve):
    for name, mail in (("trigger", trigger), ("resolve", resolve)):
        received = " ".join(mail.get_all("Received")[0].split())
        secure = "with ESMTPSA" in received and "TLSv1." in received and f"Authenticated sender: {USER}" in received
        checks.add(f"postfix: the {name} came over TLS with a login", secure, received)
        parts = [part.get_content_type() for part in mail.iter_parts()]
        checks.add(f"postfix: the {name} has a text and an HTML part",
                   mail.get_content_type() == "multipart/alternative" and parts == ["text/plain", "text/html"], parts)
        subject = str(mail["Subject"])
        checks.add(f"postfix: the {name}'s subject holds service and SLO", "shop" in subject and "availability" in subject,
                   subject)
        checks.add(f"postfix: the {name} has a Message-ID of nines", str(mail["Message-ID"]).endswith("@mail.test>"),
                   mail["Message-ID"])
    follows = resolve["In-Reply-To"] == resolve["References"] == trigger["Message-ID"]
    checks.add("postfix: the resolve answers the trigger", follows and trigger["In-Reply-To"] is None,
               f"In-Reply-To {resolve['In-Reply-To']}")
    for mail in (trigger, resolve):
        text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
        print(f"----- {mail['Subject']}\n{text.rstrip()}\n-----\n")


def check_webhooks(world, checks):
    checks.wait("webhook: trigger and resolve arrived",
                lambda: all(about(world, "shop", says, "SLOBurn") for says in ("firing", "resolved")), 15)
    strange = [one.id for one in world.hook.arrivals if not is_signed(one)]
    checks.add("webhook: every message is signed (Standard Webhooks)", world.hook.arrivals and not strange,
               f"{len(world.hook.arrivals)} messages, {len(strange)} not verified")
    one = world.hook.arrivals[0]
    checks.add("webhook: a changed body does not verify", not is_signed(one._replace(body=one.body + b" ")))


def is_signed(arrival):
    """Whether id, timestamp and body carry a signature by our secret, and the timestamp is fresh."""
    stamp = arrival.headers.get("webhook-timestamp", "")
    signed = f"{arrival.id}.{stamp}.".encode() + arrival.body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    entries = arrival.headers.get("webhook-signature", "").split()
    return stamp.isdigit() and abs(int(stamp) - arrival.at) < 60 and wanted in entries


def without_data(world, checks):
    """All targets of a service die while its alert fires."""
    name = "gone"
    checks.add("no data: the burn alert fires as its target dies", world.burn_alert(name)["state"] == "firing")
    start_steady_failure(world)
    told = checks.wait("no data: SLONoData comes by webhook", lambda: about(world, name, "firing", "SLONoData"), 90)
    if told:
        took = told[0].at - world.gone_at
        checks.add("no data: about a minute after the last visit", 58 <= took <= 60 + LATE_MAX_S + 1, f"{took:.1f} s")
    start_steady_failure(world)
    checks.wait("no data: alertmanager has SLONoData",
                lambda: any(one["labels"]["alertname"] == "SLONoData" for one in world.alertmanager.alerts(name)), 15)
    stale = checks.wait("no data: the burn alert is marked stale", lambda: held_stale(world, name), 130)
    # Longer than the long window, so that no event is left in any window.
    wait_for("empty windows", lambda: start_steady_failure(world) or time.time() > world.gone_at + LONG_S + 65, 130)
    shown = world.burn_alert(name)
    checks.add("no data: it holds when every window is empty", stale and shown["state"] == "firing" and shown["stale"],
               shown)
    checks.add("no data: nothing was said to have recovered", not about(world, name, "resolved", "SLOBurn")
               and world.alertmanager.burn(name) is not None)
    world.shops[name].come_back()
    world.shops[name].burst(good=1_000_000)
    for alertname in ("SLONoData", "SLOBurn"):
        checks.wait(f"recovery: {alertname} ends", lambda: about(world, name, "resolved", alertname), 40)
    checks.wait("recovery: alertmanager has no alert of it left", lambda: world.alertmanager.alerts(name) == [], 15)
    checks.wait("recovery: both resolves came by mail", lambda: len(world.mails("[RESOLVED]", name)) == 2, 15)


def held_stale(world, name):
    start_steady_failure(world)
    shown = world.burn_alert(name)
    return shown["state"] == "firing" and shown.get("stale") is True


def about(world, name, says, alertname):
    return [one for one in world.hook.said(says, alertname=alertname)
            if json.loads(one.body)["alerts"][0]["labels"]["service"] == name]


def start_steady_failure(world):
    """From its second on, and only once, `steady` fails by a constant ratio."""
    steady = world.shops["steady"]
    if not hasattr(world, "fails_from") and time.time() >= steady.first_page_at + WARM_S:
        world.fails_from = steady.steady(good=RATE * (1 - RATIO), bad=RATE * RATIO)


def arithmetic(world, checks):
    """When both windows exceed the factor, by the definition of a window, against when the page was told."""
    wait_for("the steady failure", lambda: start_steady_failure(world) or hasattr(world, "fails_from"), WARM_S)
    told = checks.wait("arithmetic: the page is told", lambda: about(world, "steady", "firing", "SLOBurn"), 120)
    if not told:
        return
    counted_from, from_then = world.shops["steady"].first_page_at, world.fails_from
    predicted = predict(counted_from, from_then) - from_then
    fired = moment(json.loads(told[0].body)["alerts"][0]["startsAt"]) - from_then
    seen = told[0].at - from_then
    print(f"arithmetic: {RATIO:.0%} errors, {from_then - counted_from:.1f} s after the first visit; both windows exceed "
          f"{FACTOR}x after {predicted:.1f} s; fired after {fired:.1f} s, told after {seen:.1f} s")
    checks.add("arithmetic: fired at the predicted second", -0.1 <= fired - predicted <= LATE_MAX_S,
               f"predicted {predicted:.1f} s, fired {fired:.1f} s")
    checks.add("arithmetic: told at once", 0 <= seen - fired <= LATE_MAX_S, f"{seen - fired:.2f} s after it fired")


def predict(counted_from, fails_from):
    """The first moment at which the error ratio over both windows is above the factor's. Windows begin at a minute."""
    limit = FACTOR * (1 - OBJECTIVE / 100)
    moments = (fails_from + step / 100 for step in range(30_000))
    return next(now for now in moments
                if all(ratio(now, window, counted_from, fails_from) > limit for window in (LONG_S, SHORT_S)))


def ratio(now, window, counted_from, fails_from):
    begin = max(math.floor((now - window) / 60) * 60, counted_from)
    failing = now - max(begin, fails_from)
    return RATIO * failing / (now - begin) if now > begin else 0.0


def first(items):
    return items[0] if items else None


def posted_again(world, seen):
    """Whether the alert has been posted anew twice since."""
    alert = world.alertmanager.burn("shop")
    if alert and alert["updatedAt"] != seen[-1]:
        seen.append(alert["updatedAt"])
    return len(seen) > 2


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


if __name__ == "__main__":
    sys.exit(main())
