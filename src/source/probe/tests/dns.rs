//! Questions to name servers.

use std::net::Ipv4Addr;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use regex::bytes::Regex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::super::script::Wire;
use super::super::settings::{DnsModule, RecordConditions};
use super::super::testing::{Authority, LASTING};
use super::*;
use crate::source::http::settings::TlsSettings;

/// What a server answers.
type Answering = fn(&Message) -> Vec<Vec<u8>>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// The answer that is hoped for: two addresses, an authority, and one more.
fn zone(asked: &Message) -> Message {
    let mut answer = Message::response(asked.metadata.id, OpCode::Query);
    answer.queries.clone_from(&asked.queries);
    let address =
        |host: &str, last: u8| Record::from_rdata(name(host), 300, RData::A(A(Ipv4Addr::new(192, 0, 2, last))));
    answer.answers = vec![address("www.example.", 1), address("www.example.", 2)];
    let soa = SOA::new(name("ns."), name("m."), 1000, 7200, 3600, 1_209_600, 3600);
    answer.authorities = vec![Record::from_rdata(name("example."), 60, RData::SOA(soa))];
    answer.additionals = vec![address("ns.example.", 53)];
    answer
}

fn good(asked: &Message) -> Vec<Vec<u8>> {
    vec![zone(asked).to_vec().unwrap()]
}

fn with(asked: &Message, change: impl FnOnce(&mut Message)) -> Vec<Vec<u8>> {
    let mut answer = zone(asked);
    change(&mut answer);
    vec![answer.to_vec().unwrap()]
}

fn failing(asked: &Message) -> Vec<Vec<u8>> {
    let mut answer = Message::error_msg(asked.metadata.id, OpCode::Query, ResponseCode::ServFail);
    answer.queries.clone_from(&asked.queries);
    vec![answer.to_vec().unwrap()]
}

/// Answers to others first: with another number, to another question, a question itself; then its own.
fn forged(asked: &Message) -> Vec<Vec<u8>> {
    let mut all = with(asked, |answer| answer.metadata.id = answer.metadata.id.wrapping_add(1));
    all.extend(with(asked, |answer| answer.queries[0].name = name("pay.example.")));
    all.extend(with(asked, |answer| answer.metadata.message_type = MessageType::Query));
    all.push(b"x".to_vec());
    all.extend(with(asked, |answer| answer.answers.truncate(1)));
    all
}

fn bad_version(asked: &Message) -> Vec<Vec<u8>> {
    with(asked, |answer| {
        answer.metadata.response_code = ResponseCode::BADVERS;
        answer.edns = Some(Edns::new());
    })
}

fn long(asked: &Message) -> Vec<Vec<u8>> {
    with(asked, |answer| {
        let text = RData::TXT(TXT::new(vec!["x".repeat(200); 3]));
        answer.answers = vec![Record::from_rdata(name("www.example."), 1, text)];
    })
}

fn cut(asked: &Message) -> Vec<Vec<u8>> {
    let mut bytes = good(asked).remove(0);
    bytes.truncate(bytes.len() - 3);
    vec![bytes]
}

fn headless(asked: &Message) -> Vec<Vec<u8>> {
    with(asked, |answer| answer.queries.clear())
}

fn other(asked: &Message) -> Vec<Vec<u8>> {
    vec![forged(asked).remove(1)]
}

fn silent(_: &Message) -> Vec<Vec<u8>> {
    vec![]
}

/// A name server over UDP, TCP and TLS on the same port.
struct NameServer {
    plain: SocketAddr,
    tls: SocketAddr,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn serve(mut wire: Box<dyn Wire>, answering: Answering) {
    let Ok(length) = wire.read_u16().await else { return };
    let mut asked = vec![0; usize::from(length)];
    wire.read_exact(&mut asked).await.unwrap();
    let answers = answering(&Message::from_vec(&asked).unwrap());
    if answers.is_empty() {
        std::future::pending::<()>().await;
    }
    for answer in answers {
        let _ = wire.write_u16(answer.len() as u16).await;
        let _ = wire.write_all(&answer).await;
    }
    let _ = wire.shutdown().await;
}

async fn name_server(answering: Answering, authority: &Authority) -> NameServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    let udp = UdpSocket::bind(plain).await.unwrap();
    let safe = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = safe.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(authority.issue(&["127.0.0.1"], LASTING).server(&[], None));
    let over_udp = async move {
        let mut packet = [0; 1024];
        while let Ok((length, from)) = udp.recv_from(&mut packet).await {
            for answer in answering(&Message::from_vec(&packet[..length]).unwrap()) {
                udp.send_to(&answer, from).await.unwrap();
            }
        }
    };
    let over_tcp = async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(Box::new(stream), answering));
        }
    };
    let over_tls = async move {
        while let Ok((stream, _)) = safe.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve(Box::new(stream), answering));
            }
        }
    };
    let tasks = vec![tokio::spawn(over_udp), tokio::spawn(over_tcp), tokio::spawn(over_tls)];
    NameServer { plain, tls, tasks }
}

fn module() -> DnsModule {
    DnsModule {
        query_name: "www.example".to_owned(),
        query_type: "A".to_owned(),
        ..DnsModule::default()
    }
}

fn regexes(text: &str) -> Vec<Regex> {
    vec![Regex::new(text).unwrap()]
}

#[tokio::test]
async fn an_answer_is_judged_over_every_transport() {
    let rcodes = |words: &[&str]| DnsModule {
        valid_rcodes: words.iter().map(|word| (*word).to_owned()).collect(),
        ..module()
    };
    let typed = |word: &str| DnsModule {
        query_type: word.to_owned(),
        ..module()
    };
    let cases: [(&str, Answering, DnsModule, Reason); 14] = [
        ("as it should be", good, module(), Reason::Ok),
        ("an error", failing, module(), Reason::DnsRcode),
        (
            "an error that is wanted",
            failing,
            rcodes(&["NXDOMAIN", "SERVFAIL"]),
            Reason::Ok,
        ),
        (
            "no error where one is wanted",
            good,
            rcodes(&["NXDOMAIN"]),
            Reason::DnsRcode,
        ),
        (
            "an rcode that there is not",
            good,
            rcodes(&["NIXDOMAIN"]),
            Reason::Misconfigured,
        ),
        ("an rcode of EDNS", bad_version, module(), Reason::DnsRcode),
        ("the same, wanted", bad_version, rcodes(&["BADSIG"]), Reason::Ok),
        ("a type that there is not", good, typed("AAAAA"), Reason::Misconfigured),
        ("a type without a word", good, typed("TYPE65280"), Reason::Ok),
        ("an answer that is cut off", cut, module(), Reason::Protocol),
        ("an answer without its question", headless, module(), Reason::Ok),
        ("another question's answer", other, module(), Reason::Protocol),
        ("silence", silent, module(), Reason::Timeout),
        (
            "a class that there is not",
            good,
            DnsModule {
                query_class: "XX".to_owned(),
                ..module()
            },
            Reason::Misconfigured,
        ),
    ];
    let authority = Authority::new("root", LASTING);
    let folder = tempfile::tempdir().unwrap();
    let ca_file = Some(authority.write(folder.path()));
    for (sentence, answering, module, expected) in cases {
        let server = name_server(answering, &authority).await;
        for transport in ["udp", "tcp", "tls"] {
            let module = DnsModule {
                tcp: transport != "udp",
                tls: transport == "tls",
                tls_settings: TlsSettings {
                    ca_file: ca_file.clone(),
                    ..TlsSettings::default()
                },
                ..module.clone()
            };
            // Over UDP it may be somebody else's, so that one waits on.
            let expected = if transport == "udp" && sentence.starts_with("another") {
                Reason::Timeout
            } else {
                expected
            };
            let timeout = if expected == Reason::Timeout { SHORT } else { LONG };
            let address = if transport == "tls" { server.tls } else { server.plain };
            let verdict = probed(Protocol::Dns(Box::new(module)), &address.to_string(), timeout).await;
            assert_eq!(
                verdict.reason, expected,
                "{sentence} over {transport}: {}",
                verdict.detail
            );
            let succeeded = !matches!(expected, Reason::Timeout | Reason::Protocol)
                && (expected != Reason::Misconfigured || sentence.starts_with("an rcode"));
            let shown = value(&verdict, "probe_dns_query_succeeded", None);
            assert_eq!(
                shown,
                Some(f64::from(u8::from(succeeded))),
                "{sentence} over {transport}"
            );
        }
    }
}

#[tokio::test]
async fn over_udp_the_right_answer_is_waited_for_and_no_long_one_taken() {
    let authority = Authority::new("root", LASTING);
    let server = name_server(forged, &authority).await;
    let verdict = probed(Protocol::Dns(Box::new(module())), &server.plain.to_string(), LONG).await;
    assert_eq!(verdict.reason, Reason::Ok, "{}", verdict.detail);
    assert_eq!(value(&verdict, "probe_dns_answer_rrs", None), Some(1.0));
    let server = name_server(long, &authority).await;
    for (tcp, expected) in [(false, Reason::Protocol), (true, Reason::Ok)] {
        let module = DnsModule { tcp, ..module() };
        let verdict = probed(Protocol::Dns(Box::new(module)), &server.plain.to_string(), LONG).await;
        assert_eq!(verdict.reason, expected, "tcp: {tcp}");
    }
    for tcp in [false, true] {
        let module = DnsModule { tcp, ..module() };
        let verdict = probed(Protocol::Dns(Box::new(module)), &nobody().await.to_string(), LONG).await;
        assert_eq!(verdict.reason, Reason::ConnectRefused, "tcp: {tcp}");
    }
}

#[tokio::test]
async fn records_are_held_against_regexes() {
    let authority = Authority::new("root", LASTING);
    let server = name_server(good, &authority).await;
    let matches = |text| RecordConditions {
        fail_if_matches: regexes(text),
        ..RecordConditions::default()
    };
    let not_matches = |text| RecordConditions {
        fail_if_not_matches: regexes(text),
        ..RecordConditions::default()
    };
    let all_match = |text| RecordConditions {
        fail_if_all_match: regexes(text),
        ..RecordConditions::default()
    };
    let none_matches = |text| RecordConditions {
        fail_if_none_matches: regexes(text),
        ..RecordConditions::default()
    };
    let one = r"^www\.example\.\t300\tIN\tA\t192\.0\.2\.1$";
    let both = r"192\.0\.2\.[12]$";
    let cases = [
        ("one matches", matches(one), Reason::DnsRecords),
        ("none matches", matches("203"), Reason::Ok),
        ("one does not match", not_matches(one), Reason::DnsRecords),
        ("all match", not_matches(both), Reason::Ok),
        // As blackbox exporter does it, whatever the option is called.
        ("all match all", all_match(both), Reason::Ok),
        ("one does not match all", all_match(one), Reason::DnsRecords),
        ("one matches any", none_matches(one), Reason::Ok),
        ("none matches any", none_matches("203"), Reason::DnsRecords),
    ];
    for (sentence, answer, expected) in cases {
        let module = DnsModule { answer, ..module() };
        let verdict = probed(Protocol::Dns(Box::new(module)), &server.plain.to_string(), LONG).await;
        assert_eq!(verdict.reason, expected, "{sentence}: {}", verdict.detail);
    }
    let module = DnsModule {
        query_type: "SOA".to_owned(),
        authority: not_matches(r"^example\.\t60\tIN\tSOA\tns\. m\. 1000 7200 3600 1209600 3600$"),
        additional: not_matches("^ns.example."),
        ..module()
    };
    let verdict = probed(Protocol::Dns(Box::new(module)), &server.plain.to_string(), LONG).await;
    assert_eq!(verdict.reason, Reason::Ok, "{}", verdict.detail);
    let shown = |name, label| value(&verdict, name, label);
    assert_eq!(shown("probe_dns_answer_rrs", None), Some(2.0));
    assert_eq!(shown("probe_dns_authority_rrs", None), Some(1.0));
    assert_eq!(shown("probe_dns_additional_rrs", None), Some(1.0));
    assert_eq!(
        shown("probe_dns_serial", None),
        Some(0.0),
        "it stands in the answer, or nowhere"
    );
    for phase in ["resolve", "connect", "request"] {
        assert!(shown("probe_dns_duration_seconds", Some(phase)).is_some(), "{phase}");
    }
}
