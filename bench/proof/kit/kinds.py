"""Servers and cases of the probes that are not HTTP: TCP scripts, DNS, ICMP, gRPC. `probes.py` runs them on both sides.

Each case is (name, prober, target, options, more); `more` holds `why` and `metrics`, as in `probes.py`.
"""

import socket
import struct
import threading

from kit.farm import HOST, Server, hang, over_tls, read_request, answer

# Debian's blackbox exporter is older than these.
NEWER = dict.fromkeys(("probe_failed_due_to_bytes", "probe_ssl_last_chain_info"), "newer than Debian's blackbox exporter")
# What nines shows of every TLS connection, and blackbox exporter of some; of gRPC without TLS it shows an end at 0.
CERTIFICATES = dict.fromkeys(
    ("probe_ssl_earliest_cert_expiry", "probe_ssl_last_chain_expiry_timestamp_seconds", "probe_ssl_last_chain_info",
     "probe_tls_version_info"), "nines shows it of every TLS connection and of no other")


def acting(*acts, context=None):
    """A server that says bytes, hears so many lines, begins TLS, or hangs."""

    def speak(connection):
        for act in acts:
            if isinstance(act, bytes):
                connection.sendall(act)
            elif isinstance(act, int):
                heard = b""
                while heard.count(b"\n") < act:
                    piece = connection.recv(4096)
                    if not piece:
                        return
                    heard += piece
            elif act == "echo":
                connection.sendall(b"heard " + connection.recv(4096))
            elif act == "tls":
                connection = context.wrap_socket(connection, server_side=True)
            else:
                hang(connection)

    return speak


def scripts(farm, start):
    """TCP, with and without TLS and a script."""
    context = over_tls(*farm.root.issue("mail", f"IP:{HOST},DNS:localhost"))
    plain = start(acting(b"220 mx.example ESMTP Postfix\r\n", "echo", "hang"))
    mail = start(acting(b"220 mx\r\n", 1, b"250-mx\r\n250-STARTTLS\r\n250 OK\r\n", 1, b"220 go\r\n", "tls",
                        b"250 safe\r\n", "hang", context=context))
    refusing = start(acting(b"220 mx\r\n", 1, b"454 no\r\n", "hang"))
    silent, closing = start(hang), start(acting(b"hello\nworld"))
    long = start(acting(b"x" * 70_000, "hang"))
    safe = start(acting(b"250 safe\r\n", "hang"), context)
    expect = lambda *texts: {"query_response": [{"expect": text} for text in texts]}
    tls = {"tls": True, **farm.tls()}
    starting = [{"expect": "^220"}, {"send": "EHLO nines"}, {"expect": "^250-STARTTLS"}, {"send": "STARTTLS"},
                {"expect": "^220"}, {"starttls": True}, {"expect": "^250 safe"}]
    filled = [{"expect": "^220 ([^ ]+) ESMTP (?P<soft>.+)$", "send": "EHLO ${1} ${soft}"},
              {"expect": "^heard EHLO mx.example Postfix$"}]
    no = {"metrics": NEWER}
    yield "connects", "tcp", plain.address, {}, no
    yield "nobody listens", "tcp", farm.closed, {}, no
    yield "nobody answers", "tcp", farm.full, {}, no
    yield "a line matches", "tcp", plain.address, expect("ESMTP Postfix$"), no
    yield "no line matches, then silence", "tcp", plain.address, expect("^421"), no
    yield "no line matches, then the end", "tcp", closing.address, expect("^421"), no
    yield "the last line has no end", "tcp", closing.address, expect("^hello$", "^world$"), no
    yield "silence", "tcp", silent.address, expect("^220"), no
    yield "a line that is too long", "tcp", long.address, expect("^220"), no
    yield "what was found is sent", "tcp", plain.address, {"query_response": filled}, no
    yield "STARTTLS", "tcp", mail.address, {"query_response": starting, **farm.tls()}, no
    yield "STARTTLS is refused", "tcp", refusing.address,         {"query_response": [{"send": "STARTTLS"}, {"expect": "^454"}, {"starttls": True}], **farm.tls()}, no
    yield "TLS", "tcp", safe.address, {**tls, **expect("^250 safe$")}, no
    yield "TLS and another name", "tcp", safe.address, {"tls": True, **farm.tls(server_name="www.shop.example")},         {"metrics": {**NEWER, **farm.seen}}
    yield "TLS and nobody trusted", "tcp", safe.address, {"tls": True}, {"metrics": {**NEWER, **farm.seen}}
    yield "no TLS there", "tcp", plain.address, tls, no
    yield "TLS and silence", "tcp", silent.address, tls, no


def name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.split(".") if part) + b"\0"


def record(owner, kind, data, ttl=300, group=1):
    return name(owner) + struct.pack(">HHIH", kind, group, ttl, len(data)) + data


RECORDS = {
    1: [record("www.example", 1, bytes([192, 0, 2, 1])), record("www.example", 1, bytes([192, 0, 2, 2]))],
    15: [record("www.example", 15, b"\0\x0a" + name("mx.example"))],
    16: [record("www.example", 16, b'\x05a "b"\x02\\\xff')],
    6: [record("example", 6, name("ns.example") + name("m.example") + struct.pack(">5I", 1000, 7200, 3600, 1209600, 3600))],
    28: [record("www.example", 28, bytes.fromhex("20010db8000000000000000000000001"))],
    33: [record("www.example", 33, struct.pack(">HHH", 1, 2, 443) + name("s.example"))],
    35: [record("www.example", 35, struct.pack(">HH", 1, 2) + b"\x01s\x03SIP\x04!a!b" + name("r.example"))],
    43: [record("www.example", 43, bytes.fromhex("30390d02abcd"))],
    46: [record("www.example", 46, bytes.fromhex("00010d020000012c5e0be1005e0be1003039") + name("example") + b"\1\2\3")],
    47: [record("www.example", 47, name("z.example") + bytes.fromhex("000440000008"))],
    48: [record("www.example", 48, bytes.fromhex("0101030d010203"))],
    50: [record("www.example", 50, bytes.fromhex("0100000a02abcd05004432" "14c7000140"))],
    52: [record("www.example", 52, bytes.fromhex("030101abcd"))],
    65: [record("www.example", 65, bytes.fromhex("00010000010006026832026833000300020" "1bb00040004c0000201"))],
    257: [record("www.example", 257, b"\0\x05issueca.org")],
    65280: [record("www.example", 65280, b"\xab\xcd")],
}
AUTHORITY = [record("example", 2, name("ns1.example"), 7200), record("example", 2, name("ns2.example"), 7200)]
MORE = [record("ns1.example", 1, bytes([192, 0, 2, 53]), 7200)]


def resolve(query, mode):
    """The answers to a question, as this server gives them."""
    number, question = query[:2], query[12:]
    kind, = struct.unpack(">H", question[-4:-2])
    flags, code = 0x8580, {"servfail": 2, "nxdomain": 3, "refused": 5}.get(mode, 0)
    sections = [[], [], []] if code else [RECORDS.get(kind, []), AUTHORITY, MORE]
    if mode == "truncated":
        flags |= 0x0200
    if mode == "badvers":
        sections[2] = [b"\0" + struct.pack(">HHIH", 41, 1232, 1 << 24, 0)]
    head = number + struct.pack(">HHHHH", flags | code, 1, *map(len, sections))
    whole = head + question + b"".join(part for section in sections for part in section)
    if mode == "silent":
        return []
    if mode == "forged":
        return [bytes([number[0] ^ 1]) + whole[1:], whole]
    if mode == "cut":
        return [whole[:-3]]
    if mode == "garbage":
        return [number + b"\xff\xff\xff"]
    return [whole]


class NameServer:
    """UDP and TCP on one port."""

    def __init__(self, mode, start, context=None):
        self._mode = mode
        self.tcp = start(self._stream, context)
        self.address = self.tcp.address
        if not context:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind((HOST, self.tcp.port))
            threading.Thread(target=self._packets, daemon=True).start()

    def _packets(self):
        while True:
            query, client = self._udp.recvfrom(4096)
            for one in resolve(query, self._mode):
                self._udp.sendto(one, client)

    def _stream(self, connection):
        length, = struct.unpack(">H", connection.recv(2))
        answers = resolve(connection.recv(length), self._mode)
        for one in answers[-1:]:
            connection.sendall(struct.pack(">H", len(one)) + one)
        if not answers:
            hang(connection)


def questions(farm, start):
    """DNS over UDP, TCP and TLS."""
    good = NameServer("good", start)
    safe = NameServer("good", start, over_tls(*farm.root.issue("names", f"IP:{HOST}")))
    base = lambda **more: {"query_name": "www.example", "query_type": "A", **more}
    for transport in ("udp", "tcp"):
        of = lambda **more: base(transport_protocol=transport, **more)
        yield f"{transport}: answers", "dns", good.address, of(), {}
        for mode in ("servfail", "nxdomain", "refused", "truncated", "badvers", "cut", "garbage", "silent", "forged"):
            server = NameServer(mode, start)
            yield f"{transport}: {mode}", "dns", server.address, of(), {}
            if mode in ("nxdomain", "badvers"):
                yield f"{transport}: {mode}, as wanted", "dns", server.address, of(valid_rcodes=["NXDOMAIN", "BADSIG"]), {}
        yield f"{transport}: nobody", "dns", farm.closed, of(), {}
    yield "over TLS", "dns", safe.address, base(transport_protocol="tcp", dns_over_tls=True, **farm.tls()), {"metrics": CERTIFICATES}
    yield "over TLS, not trusted", "dns", safe.address, base(transport_protocol="tcp", dns_over_tls=True), {"metrics": CERTIFICATES}
    # Each text exactly as a zone file has it: a record that is written otherwise fails.
    texts = {
        "A": r"^www\.example\.\t300\tIN\tA\t192\.0\.2\.[12]$",
        "AAAA": r"^www\.example\.\t300\tIN\tAAAA\t2001:db8::1$",
        "MX": r"^www\.example\.\t300\tIN\tMX\t10 mx\.example\.$",
        "TXT": r'^www\.example\.\t300\tIN\tTXT\t"a \\"b\\"" "\\\\\\255"$',
        "SOA": r"^example\.\t300\tIN\tSOA\tns\.example\. m\.example\. 1000 7200 3600 1209600 3600$",
        "SRV": r"^www\.example\.\t300\tIN\tSRV\t1 2 443 s\.example\.$",
        "NAPTR": r'^www\.example\.\t300\tIN\tNAPTR\t1 2 "s" "SIP" "!a!b" r\.example\.$',
        "DS": r"^www\.example\.\t300\tIN\tDS\t12345 13 2 ABCD$",
        "RRSIG": r"^www\.example\.\t300\tIN\tRRSIG\tA 13 2 300 20200101000000 20200101000000 12345 example\. AQID$",
        "NSEC": r"^www\.example\.\t300\tIN\tNSEC\tz\.example\. A AAAA$",
        "DNSKEY": r"^www\.example\.\t300\tIN\tDNSKEY\t257 3 13 AQID$",
        "NSEC3": r"^www\.example\.\t300\tIN\tNSEC3\t1 0 10 ABCD 01234567 A$",
        "TLSA": r"^www\.example\.\t300\tIN\tTLSA\t3 1 1 abcd$",
        "HTTPS": r'^www\.example\.\t300\tIN\tHTTPS\t1 \. alpn="h2,h3" port="443" ipv4hint="192\.0\.2\.1"$',
        "CAA": r'^www\.example\.\t300\tIN\tCAA\t0 issue "ca\.org"$',
    }
    for kind, text in texts.items():
        options = base(query_type=kind, validate_answer_rrs={"fail_if_not_matches_regexp": [text]})
        yield f"{kind} as text", "dns", good.address, options, {}
    conditions = {"matches": ["192.0.2.1", "203"], "all_match": ["192.0.2", "192.0.2.1"],
                  "not_matches": ["192.0.2", "192.0.2.1"], "none_matches": ["192.0.2.1", "203"]}
    for condition, patterns in conditions.items():
        for pattern in patterns:
            options = base(validate_answer_rrs={f"fail_if_{condition}_regexp": [pattern]})
            yield f"{condition} {pattern}", "dns", good.address, options, {}
    yield "authority", "dns", good.address, base(validate_authority_rrs={"fail_if_not_matches_regexp": [r"ns[12]\.example"]}), {}
    yield "additional", "dns", good.address, base(validate_additional_rrs={"fail_if_matches_regexp": ["^ns1"]}), {}
    yield "another class", "dns", good.address, base(query_class="CH"), {}


def echoes(_farm, _start):
    """ICMP on this machine."""
    yield "echo", "icmp", HOST, {}, {}
    yield "echo of another address", "icmp", "127.0.0.77", {}, {}
    yield "echo with options", "icmp", HOST, {"payload_size": 1000, "ttl": 5, "source_ip_address": "127.0.0.9"}, {}
    yield "echo in one piece", "icmp", HOST, {"dont_fragment": True}, {}
    yield "echo over IPv6", "icmp", "::1", {"preferred_ip_protocol": "ip6"}, {}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def fields(*pairs):
    """Headers of HTTP/2, each as a literal without an index."""
    text = lambda value: bytes([len(value)]) + value.encode()
    return b"".join(b"\0" + text(key) + text(value) for key, value in pairs)


HEALTH = {"": (b"\x08\x01", "0"), "down": (b"\x08\x02", "0"), "nil": (b"", "0"), "strange": (b"\x08\x03", "0"), "none": (None, "5")}


def health(connection):
    """The health service of gRPC, with as much HTTP/2 as that needs."""
    read = lambda length: recv(connection, length)
    if read(24) != b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
        return
    connection.sendall(frame(4, 0, 0))
    while True:
        head = read(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream, payload = int.from_bytes(head[5:], "big"), read(length)
        if kind == 4 and not flags & 1:
            connection.sendall(frame(4, 1, 0))
        elif kind == 6 and not flags & 1:
            connection.sendall(frame(6, 1, 0, payload))
        elif kind == 0 and flags & 1:
            service = payload[7:].decode()
            if service == "proxy":
                connection.sendall(frame(1, 5, stream, fields((":status", "503"))))
                continue
            state, code = HEALTH.get(service, (None, "12"))
            connection.sendall(frame(1, 4, stream, fields((":status", "200"), ("content-type", "application/grpc"))))
            if state is not None:
                connection.sendall(frame(0, 0, stream, b"\0" + struct.pack(">I", len(state)) + state))
            connection.sendall(frame(1, 5, stream, fields(("grpc-status", code), ("grpc-message", "so it is"))))


def recv(connection, length):
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise OSError("closed")
        data += piece
    return data


def page(connection):
    read_request(connection)
    connection.sendall(answer("400 Bad Request"))


def checks(farm, start):
    """gRPC's health service. Silence is left out: Debian's blackbox exporter waits for it without an end."""
    context = over_tls(*farm.root.issue("grpc", f"IP:{HOST},DNS:localhost"))
    context.set_alpn_protocols(["h2"])
    plain, safe = start(health), start(health, context)
    for word in ("", "down", "nil", "strange", "none", "else", "proxy"):
        yield f"gRPC {word or 'serving'}", "grpc", plain.address, {"service": word}, {"metrics": CERTIFICATES}
    yield "gRPC over TLS", "grpc", safe.address, {"tls": True, **farm.tls()}, {"metrics": CERTIFICATES}
    yield "gRPC over TLS, down", "grpc", safe.address, {"tls": True, "service": "down", **farm.tls()}, {"metrics": CERTIFICATES}
    yield "gRPC over TLS, not trusted", "grpc", safe.address, {"tls": True}, {"metrics": CERTIFICATES}
    yield "gRPC and nobody", "grpc", farm.closed, {}, {"metrics": CERTIFICATES}
    yield "gRPC and HTTP/1", "grpc", start(page).address, {}, {"metrics": CERTIFICATES}


GROUPS = [scripts, questions, echoes, checks]
