//! `nines export`: SLO files become OpenSLO, which other tools read.

use clap::Args;

use super::Streams;
use super::convert::{self, ConvertArgs, Format};

/// Converts SLO files; exit 0 all converted, 1 some not (or lost, with `--fail-on-loss`), 2 usage.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines export slos/checkout.yaml\n  nines export slos -o openslo\n\n\
                  The report on standard error names all that has no counterpart."
)]
pub struct ExportArgs {
    /// What is converted, and where to.
    #[command(flatten)]
    pub convert: ConvertArgs,
    /// The format that is written.
    #[arg(long, value_enum, default_value_t = Format::Openslo, value_name = "FORMAT")]
    pub to: Format,
}

/// Converts, and gives back the exit status.
pub fn run(args: &ExportArgs, streams: &mut Streams<'_>) -> i32 {
    convert::run(&args.convert, args.to, streams)
}
