//! What a name server has answered, and whether it is what it should be.

use hickory_resolver::proto::op::{Header, Message, MessageType, Query};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::record_types::RCODES;
use super::settings::{DnsModule, RecordConditions};
use super::zone_text::{RecordText, read_record};
use crate::domain::verdict::{Fault, Reason};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    rcode: u16,
    /// The records of answer, authority and additional section.
    pub sections: [Vec<RecordText>; 3],
}

impl Answer {
    /// Reads the answer to a question; nothing where it is none to this very question.
    pub fn read(packet: &[u8], asked: &Message) -> Option<Result<Self, String>> {
        let mut decoder = BinDecoder::new(packet);
        let header = Header::read(&mut decoder).ok()?;
        if header.metadata.id != asked.metadata.id || header.metadata.message_type != MessageType::Response {
            return None;
        }
        let mut queries = Vec::new();
        for _ in 0..header.counts.queries.min(2) {
            queries.push(Query::read(&mut decoder).ok()?);
        }
        // Some servers leave the question out of an error.
        if !queries.is_empty() && queries != asked.queries {
            return None;
        }
        Some(Self::sections(&mut decoder, &header, packet).map_err(|error| error.to_string()))
    }

    fn sections(decoder: &mut BinDecoder<'_>, header: &Header, packet: &[u8]) -> Result<Self, DecodeError> {
        let counts = [
            header.counts.answers,
            header.counts.authorities,
            header.counts.additionals,
        ];
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (section, count) in sections.iter_mut().zip(counts) {
            for _ in 0..count {
                // A truncated answer may have fewer records than it says.
                if decoder.is_empty() {
                    break;
                }
                section.push(read_record(decoder)?);
            }
        }
        let low = u16::from(packet.get(3).copied().unwrap_or(0) & 0x0f);
        let high = sections[2].iter().find_map(|record| record.rcode_high).unwrap_or(0);
        let rcode = u16::from(high) << 4 | low;
        Ok(Self { rcode, sections })
    }
}

/// Holds an answer against the module's conditions.
pub(super) fn judge(answer: &Answer, module: &DnsModule) -> Result<(), Fault> {
    judge_rcode(answer.rcode, &module.valid_rcodes)?;
    let sections = [
        ("answer", &module.answer),
        ("authority", &module.authority),
        ("additional", &module.additional),
    ];
    for ((section, conditions), records) in sections.into_iter().zip(&answer.sections) {
        judge_records(records, conditions)
            .map_err(|why| Fault::new(Reason::DnsRecords, format!("{section} section: {why}")))?;
    }
    Ok(())
}

fn judge_rcode(rcode: u16, valid: &[String]) -> Result<(), Fault> {
    let mut codes = Vec::new();
    for word in valid {
        let Some((code, _)) = RCODES.iter().find(|(_, known)| known == word) else {
            return Err(Fault::new(
                Reason::Misconfigured,
                format!("valid_rcodes: {word} is no rcode"),
            ));
        };
        codes.push(*code);
    }
    if codes.contains(&rcode) || (valid.is_empty() && rcode == 0) {
        return Ok(());
    }
    let known = RCODES.iter().find(|(code, _)| *code == rcode);
    let word = known.map_or_else(|| rcode.to_string(), |(_, word)| (*word).to_owned());
    let wanted = if valid.is_empty() {
        "NOERROR".to_owned()
    } else {
        valid.join(" or ")
    };
    Err(Fault::new(
        Reason::DnsRcode,
        format!("the rcode is {word}, and not {wanted}"),
    ))
}

/// The conditions as blackbox exporter means them: `fail_if_all_match_regexp` fails, other than its name says, when not
/// all records match.
fn judge_records(records: &[RecordText], conditions: &RecordConditions) -> Result<(), String> {
    let asks = !conditions.fail_if_not_matches.is_empty() || !conditions.fail_if_none_matches.is_empty();
    if records.is_empty() && asks {
        return Err("it has no records, and some must match".to_owned());
    }
    let mut all_match = true;
    let mut any_matches = false;
    for record in records {
        let text = record.text.as_bytes();
        if let Some(regex) = conditions.fail_if_matches.iter().find(|regex| regex.is_match(text)) {
            return Err(format!("`{}` matches {regex}", shown(record)));
        }
        all_match &= conditions.fail_if_all_match.iter().all(|regex| regex.is_match(text));
        if let Some(regex) = conditions
            .fail_if_not_matches
            .iter()
            .find(|regex| !regex.is_match(text))
        {
            return Err(format!("`{}` does not match {regex}", shown(record)));
        }
        any_matches |= conditions.fail_if_none_matches.iter().any(|regex| regex.is_match(text));
    }
    if !all_match {
        return Err("not all records match fail_if_all_match_regexp".to_owned());
    }
    if !conditions.fail_if_none_matches.is_empty() && !any_matches {
        return Err("no record matches fail_if_none_matches_regexp".to_owned());
    }
    Ok(())
}

/// A record as people read it, in bytes at most.
const SHOWN_MAX: usize = 200;

fn shown(record: &RecordText) -> String {
    let text = record.text.replace('\t', " ");
    text.chars().take(SHOWN_MAX).collect()
}
