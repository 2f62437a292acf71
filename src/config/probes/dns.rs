//! The options of `prober: dns`.

use super::{net, patterns};
use crate::config::client::read_tls;
use crate::config::context::Context;
use crate::source::probe::settings::DnsModule;
use crate::spec::codes;
use crate::spec::reader::{Field, Fields};

/// The longest name, in bytes.
const NAME_MAX: usize = 253;
/// The classes of records.
const CLASSES: [(&str, &str); 6] = [
    ("IN", "IN"),
    ("CS", "CS"),
    ("CH", "CH"),
    ("HS", "HS"),
    ("NONE", "NONE"),
    ("ANY", "ANY"),
];
/// How a name server may answer.
const RCODES: [(&str, &str); 22] = [
    ("NOERROR", "NOERROR"),
    ("FORMERR", "FORMERR"),
    ("SERVFAIL", "SERVFAIL"),
    ("NXDOMAIN", "NXDOMAIN"),
    ("NOTIMP", "NOTIMP"),
    ("NOTIMPL", "NOTIMPL"),
    ("REFUSED", "REFUSED"),
    ("YXDOMAIN", "YXDOMAIN"),
    ("YXRRSET", "YXRRSET"),
    ("NXRRSET", "NXRRSET"),
    ("NOTAUTH", "NOTAUTH"),
    ("NOTZONE", "NOTZONE"),
    ("DSOTYPENI", "DSOTYPENI"),
    ("BADVERS", "BADVERS"),
    ("BADSIG", "BADSIG"),
    ("BADKEY", "BADKEY"),
    ("BADTIME", "BADTIME"),
    ("BADMODE", "BADMODE"),
    ("BADNAME", "BADNAME"),
    ("BADALG", "BADALG"),
    ("BADTRUNC", "BADTRUNC"),
    ("BADCOOKIE", "BADCOOKIE"),
];
/// The types of records that may be asked for.
const TYPES: [&str; 33] = [
    "A",
    "AAAA",
    "AFSDB",
    "ANY",
    "AXFR",
    "CAA",
    "CDNSKEY",
    "CDS",
    "CERT",
    "CNAME",
    "CSYNC",
    "DNSKEY",
    "DS",
    "HINFO",
    "HTTPS",
    "KEY",
    "LOC",
    "MX",
    "NAPTR",
    "NS",
    "NSEC",
    "NSEC3",
    "NSEC3PARAM",
    "OPENPGPKEY",
    "PTR",
    "RRSIG",
    "SIG",
    "SOA",
    "SRV",
    "SSHFP",
    "SVCB",
    "TLSA",
    "TXT",
];

/// Reads the options.
pub(super) fn read(context: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<DnsModule> {
    let name = fields.require("query_name");
    let name = name.and_then(|field| read_name(context, field));
    let transports = [("udp", false), ("tcp", true)];
    let tcp = fields
        .get("transport_protocol")
        .and_then(|field| context.reader.choice(field, &transports));
    let types = TYPES.map(|name| (name, name));
    let query_type = fields
        .get("query_type")
        .and_then(|field| context.reader.choice(field, &types));
    let class = fields
        .get("query_class")
        .and_then(|field| context.reader.choice(field, &CLASSES));
    let rcodes = patterns::items(context, fields, "valid_rcodes");
    let rcodes = rcodes.into_iter();
    let rcodes = rcodes.filter_map(|item| context.reader.choice(item, &RCODES));
    let rcodes = rcodes.map(ToOwned::to_owned).collect();
    let tls = context.boolean(fields, "dns_over_tls", false);
    let module = DnsModule {
        source: net::read_source(context, fields),
        // TLS stands upon TCP, whatever is written.
        tcp: tcp.unwrap_or(false) || tls,
        tls,
        tls_settings: read_tls(context, fields),
        query_name: name.clone().unwrap_or_default(),
        query_type: query_type.unwrap_or("ANY").to_owned(),
        query_class: class.unwrap_or("IN").to_owned(),
        recursion_desired: context.boolean(fields, "recursion_desired", true),
        valid_rcodes: rcodes,
        answer: patterns::read_records(context, fields, "validate_answer_rrs"),
        authority: patterns::read_records(context, fields, "validate_authority_rrs"),
        additional: patterns::read_records(context, fields, "validate_additional_rrs"),
    };
    name.map(|_| module)
}

fn read_name(context: &mut Context<'_>, field: Field<'_>) -> Option<String> {
    let name = context.reader.filled(field)?;
    let labels = name.strip_suffix('.').unwrap_or(&name).split('.');
    let fits = name == "."
        || (name.len() <= NAME_MAX
            && labels.into_iter().all(|label| (1..=63).contains(&label.len()))
            && !name.contains(|c: char| c.is_whitespace() || c.is_control()));
    if !fits {
        let message = "`query_name` must be a name of the DNS such as shop.example";
        context.reader.report(&codes::ADDRESS, field.node.span, message);
    }
    fits.then_some(name)
}
