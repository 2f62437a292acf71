//! `probe_modules`, `probes` and what belongs to them: blackbox exporter's names, and a few of nines.

mod dns;
mod egress;
mod files;
mod http;
mod jobs;
mod json;
mod module;
mod net;
mod patterns;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use crate::source::probe::settings::ProbeModule;
use crate::source::probe::settings::jobs::ProbeSettings;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::reader::Fields;

pub use self::files::{check as check_blackbox, is_blackbox, read_only as read_blackbox};

/// Modules by their names.
type Modules = BTreeMap<String, Arc<ProbeModule>>;

/// Reads all that is said of probes; adds what is to be said about the files of modules.
pub(super) fn read(
    context: &mut Context<'_>,
    fields: &mut Fields<'_>,
    of_included: &mut Vec<Diagnostic>,
) -> ProbeSettings {
    let mut modules = Modules::new();
    if let Some(field) = fields.get("probe_modules") {
        module::read_all(context, field, &mut modules);
    }
    if let Some(field) = fields.get("probe_module_files") {
        let patterns = context.patterns(field);
        of_included.extend(files::read(&patterns, &mut modules));
    }
    module::add_builtin(&mut modules);
    ProbeSettings {
        jobs: jobs::read(context, fields, &modules),
        egress: egress::read(context, fields),
        connectivity: egress::read_connectivity(context, fields),
        limits: egress::read_limits(context, fields),
        token: egress::read_endpoint(context, fields),
        modules,
    }
}
