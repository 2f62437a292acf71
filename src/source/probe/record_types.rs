//! The types of DNS records: their numbers, their words, and what stands in them.

/// The word of a type.
pub(super) fn type_word(kind: u16) -> String {
    let known = TYPES.iter().find(|(code, _, _)| *code == kind);
    known.map_or_else(|| format!("TYPE{kind}"), |(_, word, _)| (*word).to_owned())
}

/// The type of a word: `A`, or `TYPE65280` for one without a word.
pub(super) fn type_code(word: &str) -> Option<u16> {
    let known = TYPES.iter().find(|(_, known, _)| *known == word);
    match known {
        Some((code, _, _)) => Some(*code),
        None => word.strip_prefix("TYPE")?.parse().ok(),
    }
}

/// What stands in a record of this type; nothing where it is shown as octets.
///
/// `b` octet, `h` and `w` numbers of 2 and 4 octets, `n` name, `t` type, `d` date, `q` text in quotes, `r` text without,
/// `Q` the rest as a text, `S` the rest as texts, `l` salt, `L` hash, `4` and `6` addresses, `B` the rest in base 64,
/// `x` and `X` the rest in hex, `e` the rest with dashes, `c` type of a certificate, `a` algorithm, `T` the rest as a
/// set of types, `P` the rest as parameters of a service.
pub(super) fn fields_of(kind: u16) -> Option<&'static str> {
    let known = TYPES.iter().find(|(code, _, _)| *code == kind);
    known.and_then(|(_, _, fields)| *fields)
}

const TYPES: [(u16, &str, Option<&str>); 70] = [
    (1, "A", Some("4")),
    (2, "NS", Some("n")),
    (3, "MD", Some("n")),
    (4, "MF", Some("n")),
    (5, "CNAME", Some("n")),
    (6, "SOA", Some("nnwwwww")),
    (7, "MB", Some("n")),
    (8, "MG", Some("n")),
    (9, "MR", Some("n")),
    (10, "NULL", None),
    (12, "PTR", Some("n")),
    (13, "HINFO", Some("qq")),
    (14, "MINFO", Some("nn")),
    (15, "MX", Some("hn")),
    (16, "TXT", Some("S")),
    (17, "RP", Some("nn")),
    (18, "AFSDB", Some("hn")),
    (19, "X25", Some("r")),
    (20, "ISDN", Some("S")),
    (21, "RT", Some("hn")),
    (23, "NSAP-PTR", Some("n")),
    (24, "SIG", Some("tbbwddhnB")),
    (25, "KEY", Some("hbbB")),
    (26, "PX", Some("hnn")),
    (27, "GPOS", Some("rrr")),
    (28, "AAAA", Some("6")),
    (29, "LOC", None),
    (30, "NXT", None),
    (31, "EID", Some("X")),
    (32, "NIMLOC", Some("X")),
    (33, "SRV", Some("hhhn")),
    (34, "ATMA", None),
    (35, "NAPTR", Some("hhqqqn")),
    (36, "KX", Some("hn")),
    (37, "CERT", Some("chaB")),
    (39, "DNAME", Some("n")),
    (41, "OPT", None),
    (42, "APL", None),
    (43, "DS", Some("hbbX")),
    (44, "SSHFP", Some("bbX")),
    (45, "IPSECKEY", None),
    (46, "RRSIG", Some("tbbwddhnB")),
    (47, "NSEC", Some("nT")),
    (48, "DNSKEY", Some("hbbB")),
    (49, "DHCID", Some("B")),
    (50, "NSEC3", Some("bbhlLT")),
    (51, "NSEC3PARAM", Some("bbhl")),
    (52, "TLSA", Some("bbbx")),
    (53, "SMIMEA", Some("bbbx")),
    (55, "HIP", None),
    (56, "NINFO", Some("S")),
    (57, "RKEY", Some("hbbB")),
    (58, "TALINK", Some("nn")),
    (59, "CDS", Some("hbbX")),
    (60, "CDNSKEY", Some("hbbB")),
    (61, "OPENPGPKEY", Some("B")),
    (62, "CSYNC", Some("whT")),
    (63, "ZONEMD", Some("wbbx")),
    (64, "SVCB", Some("hnP")),
    (65, "HTTPS", Some("hnP")),
    (99, "SPF", Some("S")),
    (107, "LP", Some("hn")),
    (108, "EUI48", Some("e")),
    (109, "EUI64", Some("e")),
    (251, "IXFR", None),
    (252, "AXFR", None),
    (255, "ANY", None),
    (256, "URI", Some("hhQ")),
    (257, "CAA", Some("brQ")),
    (32_769, "DLV", Some("hbbX")),
];

/// The words of rcodes.
pub(super) const RCODES: [(u16, &str); 22] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (4, "NOTIMPL"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADSIG"),
    (16, "BADVERS"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];
