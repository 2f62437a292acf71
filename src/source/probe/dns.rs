//! `prober: dns`: one question to the target as a name server, without a cache and without EDNS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{DNSClass, Name, RecordType};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::Goal;
use super::course::Course;
use super::dns_answer::{Answer, judge};
use super::measures::phase_gauges;
use super::place::port_of;
use super::reach::{Reach, connect_fault};
use super::record_types::type_code;
use super::settings::DnsModule;
use super::tls::handshake;
use super::zone_text::CLASSES;
use crate::domain::verdict::{Fault, Phase, Reason};

/// Without EDNS an answer over UDP is no longer, in bytes (RFC 1035, section 4.2.1).
const UDP_MAX: usize = 512;

/// A question, and how it is written.
pub(super) struct Question {
    /// As asked.
    pub message: Message,
    bytes: Vec<u8>,
}

/// One question.
pub(super) async fn speak(
    module: &DnsModule,
    goal: &Goal,
    address: IpAddr,
    reach: &Reach,
    course: &mut Course,
) -> Result<(), Fault> {
    begin(course);
    let question = question(module)?;
    let port = port_of(&goal.target, Some(if module.tls { 853 } else { 53 }))?;
    let to = SocketAddr::new(address, port);
    let asked = ask(module, goal, to, &question, reach, course).await;
    phase_gauges(course, DURATION, &PHASES);
    let answer = asked?;
    course.gauge("probe_dns_query_succeeded", 1.0);
    for (name, records) in SECTIONS.into_iter().zip(&answer.sections) {
        course.gauge(name, records.len() as f64);
    }
    if module.query_type == "SOA" {
        let serial = answer.sections[0].iter().rev().find_map(|record| record.serial);
        course.gauge("probe_dns_serial", f64::from(serial.unwrap_or(0)));
    }
    judge(&answer, module)
}

const DURATION: &str = "probe_dns_duration_seconds";
const PHASES: [(&str, &[Phase]); 3] = [
    ("resolve", &[Phase::Resolve]),
    ("connect", &[Phase::Connect, Phase::Tls]),
    ("request", &[Phase::Request]),
];
const SECTIONS: [&str; 3] = [
    "probe_dns_answer_rrs",
    "probe_dns_authority_rrs",
    "probe_dns_additional_rrs",
];

/// What is shown of a question that was never answered.
fn begin(course: &mut Course) {
    phase_gauges(course, DURATION, &PHASES);
    for name in SECTIONS {
        course.gauge(name, 0.0);
    }
    course.gauge("probe_dns_query_succeeded", 0.0);
}

fn question(module: &DnsModule) -> Result<Question, Fault> {
    let unusable = |what: String| Fault::new(Reason::Misconfigured, what);
    let kind = type_code(&module.query_type)
        .ok_or_else(|| unusable(format!("query_type {} is no type of DNS records", module.query_type)))?;
    let class = CLASSES
        .iter()
        .find(|(_, word)| *word == module.query_class)
        .ok_or_else(|| unusable(format!("query_class {} is no class of DNS records", module.query_class)))?;
    let mut name = Name::from_ascii(&module.query_name)
        .map_err(|error| unusable(format!("query_name {} is no name: {error}", module.query_name)))?;
    name.set_fqdn(true);
    let mut message = Message::query();
    message.metadata.recursion_desired = module.recursion_desired;
    let mut query = Query::query(name, RecordType::from(kind));
    query.set_query_class(DNSClass::from(class.0));
    message.add_query(query);
    let bytes = message
        .to_vec()
        .map_err(|error| unusable(format!("the question cannot be written: {error}")))?;
    Ok(Question { message, bytes })
}

async fn ask(
    module: &DnsModule,
    goal: &Goal,
    to: SocketAddr,
    question: &Question,
    reach: &Reach,
    course: &mut Course,
) -> Result<Answer, Fault> {
    if !module.tcp && !module.tls {
        reach.judge(to.ip())?;
        course.address = Some(to.ip());
        let socket = course
            .during(Phase::Connect, Reason::ConnectTimeout, udp_socket(to, module.source))
            .await?;
        let exchange = over_udp(&socket, to, question);
        return course
            .during(Phase::Request, Reason::Timeout, exchange)
            .await
            .map_err(|fault| unanswered(to, fault));
    }
    let stream = reach.connect(to, module.source, course).await?;
    if !module.tls {
        let exchange = over_stream(stream, to, question);
        return course
            .during(Phase::Request, Reason::Timeout, exchange)
            .await
            .map_err(|fault| unanswered(to, fault));
    }
    let stream = handshake(stream, &module.tls_settings, goal.called(), &[], course).await?;
    let exchange = over_stream(stream, to, question);
    course
        .during(Phase::Request, Reason::Timeout, exchange)
        .await
        .map_err(|fault| unanswered(to, fault))
}

fn unanswered(to: SocketAddr, fault: Fault) -> Fault {
    match fault.reason {
        Reason::Timeout => Fault::new(Reason::Timeout, format!("{to} has not answered in time")),
        _ => fault,
    }
}

/// A socket with a random port of its own, which hears nobody but the one who is asked.
async fn udp_socket(to: SocketAddr, source: Option<IpAddr>) -> Result<UdpSocket, Fault> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let from = SocketAddr::new(source.unwrap_or(any), 0);
    let socket = UdpSocket::bind(from).await.map_err(|error| connect_fault(to, &error))?;
    socket.connect(to).await.map_err(|error| connect_fault(to, &error))?;
    Ok(socket)
}

/// Packets that are no answer to this very question are passed over: they may be forged, or late.
async fn over_udp(socket: &UdpSocket, to: SocketAddr, question: &Question) -> Result<Answer, Fault> {
    let lost = |error: std::io::Error| connect_fault(to, &error);
    socket.send(&question.bytes).await.map_err(lost)?;
    let mut packet = [0; UDP_MAX + 1];
    loop {
        let length = socket.recv(&mut packet).await.map_err(lost)?;
        let Some(read) = Answer::read(&packet[..length], &question.message) else {
            continue;
        };
        if length > UDP_MAX {
            let detail = format!("{to} has answered with more than the {UDP_MAX} bytes that UDP carries without EDNS");
            return Err(Fault::new(Reason::Protocol, detail));
        }
        return read.map_err(|error| unreadable(to, &error));
    }
}

/// Each message stands behind its length.
async fn over_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    question: &Question,
) -> Result<Answer, Fault> {
    let lost = |error: std::io::Error| {
        let detail = format!("{to} has closed the connection without an answer: {error}");
        Fault::new(Reason::ConnectionClosed, detail)
    };
    let mut bytes = (question.bytes.len() as u16).to_be_bytes().to_vec();
    bytes.extend(&question.bytes);
    stream.write_all(&bytes).await.map_err(lost)?;
    stream.flush().await.map_err(lost)?;
    let length = stream.read_u16().await.map_err(lost)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(lost)?;
    match Answer::read(&answer, &question.message) {
        Some(read) => read.map_err(|error| unreadable(to, &error)),
        None => Err(Fault::new(
            Reason::Protocol,
            format!("{to} has answered another question"),
        )),
    }
}

fn unreadable(to: SocketAddr, error: &str) -> Fault {
    Fault::new(Reason::Protocol, format!("the answer of {to} cannot be read: {error}"))
}
