"""Debian's Postfix as a throw-away mail server: STARTTLS under a CA of its own, logins by Dovecot, mails in a Maildir."""

import contextlib
import email
import email.policy
import os
import pwd
import shutil
import signal
import socket
import subprocess

from kit.daemon import Failed, free_port, wait_for

USER, PASSWORD, BOX = "nines", "correct horse battery staple", "sre@mail.test"

MAIN = """
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
myhostname = mx.mail.test
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = mail.test
virtual_mailbox_maps = static:sre/
virtual_mailbox_base = {home}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
smtpd_tls_cert_file = {home}/tls/server.pem
smtpd_tls_key_file = {home}/tls/server.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_authenticated_header = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """
base_dir = {home}/dovecot/run
log_path = {home}/dovecot/log
protocols =
ssl = no
auth_mechanisms = plain login
default_login_user = {nobody}
default_internal_user = {nobody}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {home}/dovecot/users
}}
service auth {{
  unix_listener {home}/spool/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""


class Postfix:
    """Runs until it is closed. `address` takes mails for `BOX` from whoever logs in over TLS."""

    def __init__(self, folder):
        if os.geteuid() != 0 or not shutil.which("postfix") or not shutil.which("dovecot"):
            raise Failed("needs root and Debian's packages postfix and dovecot-core")
        self.home = os.path.join(folder, "postfix")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._processes = []
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        for name, owner in (("", None), ("etc", None), ("spool", None), ("data", postfix), ("mail", nobody), ("tls", None),
                            ("dovecot", None), ("dovecot/run", None)):
            os.makedirs(f"{self.home}/{name}")
            if owner:
                os.chown(f"{self.home}/{name}", owner.pw_uid, owner.pw_gid)
        self.ca_file, self.password_file = f"{self.home}/tls/ca.pem", f"{self.home}/password"
        self._certificates()
        values = {"home": self.home, "port": self.port, "uid": nobody.pw_uid, "gid": nobody.pw_gid, "nobody": "nobody"}
        for path, text in (("etc/main.cf", MAIN), ("etc/master.cf", MASTER), ("dovecot/dovecot.conf", DOVECOT)):
            self._write(path, text.format(**values))
        self._write("dovecot/users", f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        self._write("password", PASSWORD + "\n")
        self._start()

    def mails(self):
        """What lies in the Maildir, the oldest first."""
        box, found = f"{self.home}/mail/sre/new", []
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(box), key=lambda name: os.stat(f"{box}/{name}").st_mtime_ns):
                with open(f"{box}/{name}", "rb") as file:
                    found.append(email.message_from_binary_file(file, policy=email.policy.default))
        return found

    def log(self, lines=20):
        text = ""
        for path in (f"{self.home}/maillog", f"{self.home}/dovecot/log"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                text += f"--- {path}\n" + "".join(file.readlines()[-lines:])
        return text

    def close(self):
        # Postfix's master is a child of the script that started it; ended, it ends its own.
        with contextlib.suppress(OSError, ValueError), open(f"{self.home}/spool/pid/master.pid", encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGTERM)
        for process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _start(self):
        self._run("postfix", "-c", f"{self.home}/etc", "check")
        with open(f"{self.home}/output", "ab") as output:
            for command in (["dovecot", "-F", "-c", f"{self.home}/dovecot/dovecot.conf"],
                            ["postfix", "-c", f"{self.home}/etc", "start-fg"]):
                self._processes.append(subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True))
        try:
            wait_for("Postfix and its logins", self._answers, 30)
        except Failed as failure:
            with open(f"{self.home}/output", encoding="utf-8") as output:
                failure = Failed(f"{failure}\n{output.read()}{self.log()}")
            self.close()
            raise failure from None

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as session:
            return session.recv(4).startswith(b"220") and os.path.exists(f"{self.home}/spool/private/auth")
        return False

    def _certificates(self):
        at = f"{self.home}/tls"
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self._run("openssl", "req", "-x509", *new, "-subj", "/CN=throw-away CA", "-keyout", f"{at}/ca.key",
                  "-out", f"{at}/ca.pem", "-addext", "keyUsage=critical,keyCertSign")
        self._run("openssl", "req", *new[:-2], "-subj", "/CN=127.0.0.1", "-keyout", f"{at}/server.key",
                  "-out", f"{at}/server.csr")
        self._write("tls/san", "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
        self._run("openssl", "x509", "-req", "-in", f"{at}/server.csr", "-CA", f"{at}/ca.pem", "-CAkey", f"{at}/ca.key",
                  "-CAcreateserial", "-days", "2", "-extfile", f"{at}/san", "-out", f"{at}/server.pem")

    def _write(self, path, text):
        with open(f"{self.home}/{path}", "w", encoding="utf-8") as file:
            file.write(text.lstrip())

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{' '.join(command[:2])}: {done.stderr.strip()}")
