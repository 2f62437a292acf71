//! `nines import`: SLO files of any format become nines's own.

use clap::Args;

use super::Streams;
use super::convert::{self, ConvertArgs, Format};

/// Converts SLO files; exit 0 all converted, 1 some not (or lost, with `--fail-on-loss`), 2 usage.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  nines import sloth/checkout.yaml\n  nines import sloth pyrra -o slos --fail-on-loss\n\n\
                  The report on standard error names all that has no counterpart."
)]
pub struct ImportArgs {
    /// What is converted, and where to.
    #[command(flatten)]
    pub convert: ConvertArgs,
    /// The format that is written.
    #[arg(long, value_enum, default_value_t = Format::Native, value_name = "FORMAT")]
    pub to: Format,
}

/// Converts, and gives back the exit status.
pub fn run(args: &ImportArgs, streams: &mut Streams<'_>) -> i32 {
    convert::run(&args.convert, args.to, streams)
}
