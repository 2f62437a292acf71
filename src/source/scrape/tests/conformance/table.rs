//! What a case of the table is.

use crate::source::scrape::exposition::Format;

/// A page, what Prometheus makes of it and what nines does.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the page is about, in a sentence.
    pub says: &'static str,
    /// How it is served.
    pub format: Format,
    /// The page without its `tail`.
    pub body: &'static [u8],
    /// How the page ends.
    pub tail: &'static str,
    /// What the parsers of Prometheus make of it.
    pub prometheus: Verdict,
    /// What Prometheus 2.42 makes of it, where newer ones differ.
    pub before: Option<Verdict>,
    /// What nines makes of it and why, where that is something else.
    pub nines: Option<(&'static str, Verdict)>,
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// These samples are taken, each `series value`, the series as nines writes it.
    Takes(&'static [&'static str]),
    /// The page fails as a whole.
    Refuses,
}

/// A page of the text format; its last line is ended.
pub const fn text(says: &'static str, body: &'static str) -> Case {
    case(says, Format::Text, body.as_bytes(), "\n")
}

/// A page of the text format, byte for byte.
pub const fn raw_text(says: &'static str, body: &'static [u8]) -> Case {
    case(says, Format::Text, body, "")
}

/// An OpenMetrics page; its last line is ended and `# EOF` follows.
pub const fn open(says: &'static str, body: &'static str) -> Case {
    case(says, Format::OpenMetrics, body.as_bytes(), "\n# EOF\n")
}

/// An OpenMetrics page, byte for byte.
pub const fn raw_open(says: &'static str, body: &'static [u8]) -> Case {
    case(says, Format::OpenMetrics, body, "")
}

const fn case(says: &'static str, format: Format, body: &'static [u8], tail: &'static str) -> Case {
    Case {
        says,
        format,
        body,
        tail,
        prometheus: Verdict::Refuses,
        before: None,
        nines: None,
    }
}

impl Case {
    /// Prometheus takes these samples.
    pub const fn takes(self, samples: &'static [&'static str]) -> Self {
        Self {
            prometheus: Verdict::Takes(samples),
            ..self
        }
    }

    /// Prometheus refuses the page.
    pub const fn refuses(self) -> Self {
        Self {
            prometheus: Verdict::Refuses,
            ..self
        }
    }

    /// Prometheus 2.42 still refused it.
    pub const fn but_2_42_refuses(self) -> Self {
        Self {
            before: Some(Verdict::Refuses),
            ..self
        }
    }

    /// Prometheus 2.42 still took these.
    pub const fn but_2_42_takes(self, samples: &'static [&'static str]) -> Self {
        Self {
            before: Some(Verdict::Takes(samples)),
            ..self
        }
    }

    /// nines takes these samples instead, and why.
    pub const fn nines_takes(self, why: &'static str, samples: &'static [&'static str]) -> Self {
        Self {
            nines: Some((why, Verdict::Takes(samples))),
            ..self
        }
    }

    /// nines refuses the page instead, and why.
    pub const fn nines_refuses(self, why: &'static str) -> Self {
        Self {
            nines: Some((why, Verdict::Refuses)),
            ..self
        }
    }

    /// The page's bytes.
    pub fn page(&self) -> Vec<u8> {
        [self.body, self.tail.as_bytes()].concat()
    }
}
