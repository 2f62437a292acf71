//! Logs: one line per event, as logfmt or JSON, on standard error.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::clock::SystemClock;
use crate::engine::clock::Clock;

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `ts=… level=info msg=listening addr=127.0.0.1:8999`
    Logfmt,
    /// One JSON object.
    Json,
}

/// What `--log.level` takes, from silence to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Sends what is logged to standard error. `level` is a level or a filter such as `info,nines::engine=debug`.
pub fn init(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let is_level = |word: &str| LEVELS.contains(&word.trim().to_lowercase().as_str());
    if let Some(word) = level.split(',').find(|word| !word.contains('=') && !is_level(word)) {
        anyhow::bail!(
            "--log.level={level}: {word:?} is no level; the levels are {}",
            LEVELS.join(", ")
        );
    }
    // The database's notices are not the operator's; whoever wants them names them.
    let filter = EnvFilter::builder().parse(format!("sqlx=warn,{level}"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Lines { format })
        .finish();
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(())
}

struct Lines {
    format: LogFormat,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        let mut pairs = vec![("ts", SystemClock.now().to_rfc3339()), ("level", level.to_owned())];
        pairs.push(("msg", fields.message));
        pairs.extend(fields.others);
        match self.format {
            LogFormat::Logfmt => writeln!(out, "{}", logfmt(&pairs)),
            LogFormat::Json => {
                let object: serde_json::Map<String, serde_json::Value> = pairs
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                writeln!(out, "{}", serde_json::Value::Object(object))
            }
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, format!("{value}{}", crate::engine::supervisor::causes(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}"));
    }
}

fn logfmt(pairs: &[(&str, String)]) -> String {
    let mut line = String::new();
    for (number, (name, value)) in pairs.iter().enumerate() {
        let bare = !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte > b' ' && byte != b'"' && byte != b'=' && byte < 127);
        let space = if number == 0 { "" } else { " " };
        // Writing into a String cannot fail; `Debug` quotes and escapes, so that a value stays on its line.
        let _ = if bare {
            write!(line, "{space}{name}={value}")
        } else {
            write!(line, "{space}{name}={value:?}")
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_must_be() {
        let pairs = [
            ("msg", "listening".to_owned()),
            ("addr", "127.0.0.1:1".to_owned()),
            ("err", "a \"b\"\nc".to_owned()),
        ];
        assert_eq!(logfmt(&pairs), r#"msg=listening addr=127.0.0.1:1 err="a \"b\"\nc""#);
    }
}
