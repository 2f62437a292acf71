//! The codes of all diagnostics, in one table; `docs/diagnostics.md` is checked against it.

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file does not load.
    Error,
    /// The file loads; somebody should look.
    Warning,
    /// The file loads; this is said so that nothing is dropped in silence.
    Note,
}

impl Severity {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A kind of diagnostic. Codes are stable: `N` for errors, `L` for lints, `I` for notes, `D` for what
/// the daemon says about data.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `N004`
    pub code: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What it means and how it is mended.
    pub explanation: &'static str,
}

impl Code {
    /// Errors begin with `N`, warnings with `L` (`D` about data), notes with `I`.
    pub fn severity(&self) -> Severity {
        match self.code.as_bytes().first() {
            Some(b'L' | b'D') => Severity::Warning,
            Some(b'I') => Severity::Note,
            _ => Severity::Error,
        }
    }
}

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $explanation:literal)*) => {
        $(#[doc = $title] pub static $name: Code =
            Code { code: $code, title: $title, explanation: $explanation };)*
        /// All codes, in their order.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    UNREADABLE "N001" "the file cannot be read"
        "It is missing, is no UTF-8 text, or its permissions forbid it."
    SYNTAX "N002" "not YAML"
        "The text breaks YAML's grammar. A value with `: ` or ` #` in it must be quoted; tabs cannot indent."
    DUPLICATE_KEY "N003" "a key is written twice"
        "The second one would silently win in many parsers. Remove one of them."
    UNKNOWN_KEY "N004" "unknown key"
        "Nothing reads this key, so it would have no effect. It is often misspelt or indented too little or too far."
    MISSING_KEY "N005" "a key is missing"
        "This key has no default."
    WRONG_TYPE "N006" "a value of another kind is expected"
        "For example a list where a map is expected, or a text where a number is."
    TOO_LARGE "N007" "the file is too large"
        "A file may have 4 MiB. Split it."
    TOO_DEEP "N008" "nested too deeply"
        "Maps and lists may be nested 64 deep."
    TOO_MANY_NODES "N009" "too many values"
        "A document may hold 200,000 values. Split it."
    ALIAS_EXPANSION "N010" "aliases expand to too much"
        "With its aliases written out, a document may hold 200,000 values and 16 MiB of text."
    UNSUPPORTED "N011" "not supported by this version yet"
        "nines knows this key or format and will not guess at it. What is written here would have had no effect."
    OBJECTIVE "N012" "not an objective"
        "An objective is a percentage above 0 and below 100 with at most seven decimals: `99.9`."
    DURATION "N013" "not a duration that fits"
        "Durations are written as Prometheus writes them: `30d`, `1h30m`, `250ms`. Windows are whole minutes, at least `1m`, at most ten years."
    SELECTOR "N014" "not a selector"
        "A vector selector is a metric's name with matchers: `http_requests_total{job=\"shop\",code=~\"5..\"}`. Functions, sums and ranges are PromQL: where the key takes a query, its range is `{{.window}}`."
    NAME "N015" "not a name"
        "Names of services, SLOs and Prometheus servers begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`, at most 253 characters."
    LABEL "N016" "not a label that may be set"
        "Label names match `[a-zA-Z_][a-zA-Z0-9_]*` and do not begin with `__`. Every alert's `alertname`, `service`, `slo` and `severity` are set by nines."
    DUPLICATE_NAME "N017" "a name is given twice in one file"
        "Each of these names must be unique."
    DUPLICATE_SLO "N018" "an SLO is defined in two files"
        "The first one, in the order of the paths, runs. Rename or remove the second."
    FORMAT "N019" "not a file that nines reads"
        "An SLO file begins with `version: nines/v1`, or with the marker of Sloth, Pyrra, OpenSLO or slo-generator; a configuration is named `nines.yml`."
    INDICATOR "N020" "not one form of indicator"
        "An indicator has exactly one form: `total` with `bad` or `good`, `latency` with `threshold`, or `gauge` with `op` and `value`."
    ALERT_WINDOWS "N021" "the windows of a burn condition do not fit together"
        "The short window shows that the budget is still being spent; it must be shorter than the long one."
    NUMBER "N022" "not a number that fits"
        "A decimal number is expected here; the message names the range."
    THRESHOLD "N023" "not a threshold"
        "A threshold with a unit needs a metric whose suffix tells its unit (`_seconds`, `_milliseconds`); a bare number is in the metric's own unit."
    CHOICE "N024" "not one of the possible words"
        "The message names the words that are possible here."
    VARIABLE "N030" "an environment variable is not set"
        "`${NAME}` is replaced by the variable of that name. Write `$${` for a literal `${`."
    TIMEOUT "N031" "a timeout is longer than its interval"
        "A scrape must end before the next one begins."
    REFERENCE "N032" "nothing has this name"
        "The name that is written here is defined nowhere in the file."
    ADDRESS "N033" "not an address"
        "The message says which form is expected: a URL, `host:port`, or an e-mail address."
    CONFLICT "N034" "two keys exclude each other"
        "Only one of them may be set."
    SECRET "N035" "not a secret of the expected form"
        "A webhook's secret is `whsec_` followed by base64, as Standard Webhooks has it."
    CYCLE "N036" "SLOs refer to each other in a circle"
        "A composite cannot be a part of itself, not by way of others either."
    VERSION "N037" "a version of this format that nines does not know"
        "The message names the versions that are read."
    PLUGIN "N038" "a plugin that nines cannot run"
        "Sloth's plugins are Go programs. Write the queries that the plugin would give as `events` or `raw`."
    PROMQL "N040" "not PromQL"
        "The expression breaks PromQL's grammar or mixes its types; a Prometheus server would refuse it too."
    WINDOW_TEMPLATE "N041" "a query without its window"
        "The query is asked over several windows, so its range must be the template: `rate(http_requests_total[{{.window}}])`."
    ZONE "N042" "not a time zone"
        "Zones are IANA names such as `Europe/Berlin`, `America/New_York` or `UTC`."
    DATE "N043" "not a date and time"
        "A start is civil time in the window's zone: `2026-01-01 00:00:00`."
    EXCLUSIVE "N044" "not exactly one of several keys"
        "The message names the keys of which exactly one is written."
    RANGE "N045" "a list of the wrong length"
        "The message names how many items there may be."
    MORE_ERRORS "N047" "more errors than are listed"
        "The first 200 errors of a file are listed. Mend them, then check again."
    RELABEL "N048" "not a rule of relabelling"
        "A rule has Prometheus's keys and, as there, each action takes some of them only; the message says which one is wrong."
    PATTERN "N049" "not an expression of the expected kind"
        "Regular expressions of probe modules are Go's (RE2), conditions on JSON are CEL or JSON paths (RFC 9535); the message says what is wrong."
    BAD_IS_TOTAL "L001" "both selectors are the same"
        "Then every event is bad (or good), which is rarely meant."
    NEVER_FIRES "L002" "a burn condition can never fire"
        "Even when every event is bad the burn rate is 1/(1 - objective), and a condition holds only strictly above its factor."
    FACTOR_LOWERED "L003" "a default factor was lowered"
        "The default policy's factor could not be reached, or only in a total outage. It was lowered to 0.8/(1 - objective), at least 1."
    LONG_ALERT_WINDOW "L004" "an alert window is longer than the SLO's"
        "It looks at events for which the budget is not kept any more."
    NO_EFFECT "L005" "a key has no effect"
        "It is accepted for compatibility only."
    NO_SLOS "L006" "the list of SLOs is empty"
        "The file loads and defines nothing."
    DEPRECATED "L007" "an older way to write it"
        "It works; the message names the newer one."
    FOREIGN_KEY "L008" "a key that its own tool ignores"
        "The tool that the file was written for drops this key in silence, so it has no effect there or here. It is often misspelt."
    SDK_RULE "L009" "OpenSLO's SDK would refuse this"
        "The meaning is clear, so nines reads it. With `--strict` it is an error, as in the SDK."
    UNRESOLVED "L010" "a reference to something that is not in these files"
        "What it would have said is missing: add the file that holds it to the paths."
    LATE_PAGE "L011" "a page that comes after the budget is gone"
        "At this burn rate, `factor` x `long` / window, the share of the budget that is spent before it calls, is 1 or more."
    FEW_EVENTS "L012" "too few events for this objective"
        "The window holds so few that a single bad one spends the whole budget."
    FIXED_RANGE "L013" "a fixed range instead of {{.window}}"
        "Whatever window is asked for, the query answers for its own range, so all burn rates are the same."
    NO_COUNT "L014" "a query that never counts events"
        "A comparison gives the value that was compared, not a number of events: a quantile above a threshold is no error count. Count a histogram's buckets instead."
    SELECTS_GOOD "L015" "an error query that selects the good events"
        "Its matchers, its bucket or its name select successes, so that every success would count as an error."
    ONE_WINDOW "L016" "a burn condition with one window"
        "Without a short window it goes on calling until the long one has forgotten the burn."
    OBJECTIVE_EDGE "L017" "an objective of 0% or 100%"
        "100% leaves no error budget, so nothing can be computed; 0% is never missed."
    DUPLICATE_OBJECT "L018" "an object is defined twice"
        "References mean the first one, in the order of the paths."
    PERCENT "L019" "a ratio where a percentage is expected"
        "`0.999` is read as 0.999 %, as the original tool does; `99.9` is likely meant."
    ROUNDED "L020" "an objective with too many decimals"
        "Objectives are exact to a part per billion; this one was rounded."
    READ_LENIENTLY "L021" "not quite as the format has it"
        "The meaning is clear, so nines reads it; other tools may not."
    MORE_WARNINGS "L022" "more warnings than are listed"
        "The first 200 warnings of a file are listed."
    OF_PROMETHEUS "L023" "a setting of Prometheus that nines does not have"
        "nines starts without it; the message says what is different then, and what nines has instead."
    NO_BOUND "L024" "a threshold between the bounds of native histograms"
        "A native histogram's bounds are powers of two with an exponent that its schema divides, and nothing is interpolated between them. Powers of two such as 0.25, 0.5, 1 and 2 are bounds with any schema from 0 on."
    MIXED_UNITS "L025" "events beside events per second"
        "`increase` gives events, `rate` events per second: their ratio is off by the length of the window, and their sum means nothing. Of two queries nines weighs each by its own function; other tools do not, and within one query nobody can."
    NEEDS_SERVER "I001" "only a Prometheus server can answer this"
        "The expression is more than sums of counters, so that it cannot be served by scraping."
    NOT_CARRIED "I002" "something has no counterpart"
        "The original format says something that nines has no words for; the message says what is lost."
    SKIPPED "I003" "no SLO; skipped"
        "The document is valid and belongs to somebody else: a Kubernetes object, a template, a rule file."
    IDLE "I004" "valid, and not computed by this version"
        "The SLO is read, checked and shown; its numbers stay unknown until nines can compute them."
    MORE_NOTES "I005" "more notes than are listed"
        "The first 1,000 notes of a file are listed. Split the file to read all of them."
}

/// What the running daemon says about data; these are in no file.
pub static OF_DATA: [Code; 10] = [
    Code {
        code: "D001",
        title: "a histogram has no bucket for the threshold, or no `_count`",
        explanation: "Neither its good nor its total events count and coverage falls, for nothing is interpolated. Use one of the bounds that the message names as threshold, or add the bucket to the service.",
    },
    Code {
        code: "D002",
        title: "a credit from zero that is not believed",
        explanation: "A series that is new or was reset shows more than ten times the SLO's usual rate (its busiest hour in seven days, at least 1,000 events/s). The whole visit counts neither number for this SLO, its values become the baseline; the message says how many events of other series were in it. A series that does this again and again should be left out by a matcher.",
    },
    Code {
        code: "D003",
        title: "events that do not fit the ledger",
        explanation: "A difference, or a sum, is beyond 64 bits of millionths of an event (about 9.2 million million events). The values become the baseline.",
    },
    Code {
        code: "D004",
        title: "more bad (or good) events than events",
        explanation: "For five minutes the second selector has matched more than the first; the window is clamped. It should select a part of what `total` selects.",
    },
    Code {
        code: "D005",
        title: "another process is the new baseline",
        explanation: "For five minutes only a process with an older start has answered at the target's address. Two processes behind one address cannot be counted: list each by itself.",
    },
    Code {
        code: "D006",
        title: "a server's value that is no number of events",
        explanation: "A query gave NaN, an infinite or a negative number where events are counted; its steps were not seen and coverage falls. Or a ratio lay outside 0 to 1 and was taken to be the nearer of the two. Ask the server for the query at that time: it divides by nothing, subtracts too much, or is no ratio. Or a counter's raw sample was none of the numbers that a counter can have: it counted nothing, and the next one counts from the last number before.",
    },
    Code {
        code: "D007",
        title: "a server gives no answer that counts",
        explanation: "The message says why and since when; docs/sources.md says what each reason means. Nothing is lost: the watermark stays, and reading goes on from it.",
    },
    Code {
        code: "D008",
        title: "what a server says about its answers",
        explanation: "Warnings and notes of the server itself, as it wrote them.",
    },
    Code {
        code: "D009",
        title: "a counter fell although its process did not start anew",
        explanation: "By rule 3 the new value counted from zero. Two processes behind one address look like this, and each change between them invents events: list each by itself.",
    },
    Code {
        code: "D010",
        title: "nothing has ever matched",
        explanation: "Every target was visited twice, or two minutes have passed since the start (a server: all of the window was read), and no series was ever matched. A selector's name or labels are not what the service has, or its target is not listed or does not answer: look at `/targets`, and for an SLO that is read from a server ask that one for the selectors.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted_within_their_letter() {
        for letter in ['N', 'L', 'I'] {
            let codes: Vec<_> = ALL.iter().map(|c| c.code).filter(|c| c.starts_with(letter)).collect();
            assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        }
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let page = include_str!("../../docs/diagnostics.md");
        for code in ALL.iter().copied().chain(&OF_DATA) {
            let row = format!("| `{}` | {} | {} |", code.code, code.title, code.explanation);
            assert!(page.contains(&row), "docs/diagnostics.md lacks the row\n{row}");
        }
    }
}
