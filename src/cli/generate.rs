//! `nines generate`: what other tools need of nines.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Streams;
use super::check::{INVALID, VALID};
use super::convert::Format;
use crate::spec::schema;

/// Generates files for other tools.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// What to generate.
    #[command(subcommand)]
    pub command: GenerateCommand,
}

/// What can be generated.
#[derive(Clone, Debug, Subcommand)]
pub enum GenerateCommand {
    /// Generate the JSON Schema of a format, with which editors complete and check SLO files.
    Schema(SchemaArgs),
}

/// Which schema, and where to.
#[derive(Args, Clone, Debug)]
#[command(after_help = "In an SLO file, editors are told of it in the first line:\n  \
                  # yaml-language-server: $schema=nines.schema.json")]
pub struct SchemaArgs {
    /// The format.
    #[arg(value_enum, default_value_t = Format::Native)]
    pub format: Format,
    /// The file to write it to, over what is there; standard output otherwise.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Generates, and gives back the exit status.
pub fn run(args: &GenerateArgs, streams: &mut Streams<'_>) -> i32 {
    let GenerateCommand::Schema(args) = &args.command;
    let schema = match args.format {
        Format::Native => schema::native(),
        Format::Openslo => schema::openslo(),
    };
    let text = format!("{schema:#}\n");
    let Some(path) = args.output.as_ref().filter(|path| !super::is_stdin(path)) else {
        // A closed pipe is no reason to complain: whoever read has seen enough.
        return streams.out.write_all(text.as_bytes()).map_or(INVALID, |()| VALID);
    };
    let complain = |error: io::Error, err: &mut dyn Write| {
        // When not even this can be said, the exit status says it.
        let _ = writeln!(err, "error: {} cannot be written: {error}", path.display());
        INVALID
    };
    fs::write(path, text).map_or_else(|error| complain(error, streams.err), |()| VALID)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::test_streams;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        generate: GenerateArgs,
    }

    fn generate(arguments: &[&str]) -> (i32, String, String) {
        let arguments = ["generate", "schema"].iter().chain(arguments);
        let cli = Cli::try_parse_from(arguments).expect("arguments");
        test_streams("", |streams| run(&cli.generate, streams))
    }

    #[test]
    fn a_schema_is_json_and_goes_to_standard_output_or_a_file() {
        for format in [None, Some("native"), Some("openslo")] {
            let (status, out, err) = generate(&format.into_iter().collect::<Vec<_>>());
            let schema: serde_json::Value = serde_json::from_str(&out).expect("JSON");
            assert!(status == VALID && err.is_empty() && schema.is_object(), "{out}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.json");
        let shown = path.display().to_string();
        let (_, whole, _) = generate(&[]);
        assert_eq!(generate(&["-o", &shown]), (VALID, String::new(), String::new()));
        assert_eq!(fs::read_to_string(&path).expect("a file"), whole);
        let (status, _, err) = generate(&["-o", &format!("{shown}/no")]);
        assert!(status == INVALID && err.contains("cannot be written"), "{err}");
    }
}
