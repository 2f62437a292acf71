//! slo-generator v2, Prometheus backend.

use super::codes;
use super::contents::Contents;
use super::load::Context;
use super::reader::Reader;
use super::yaml::Node;

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, _context: &Context<'_>, _contents: &mut Contents) {
    reader.report(
        &codes::UNSUPPORTED,
        root.span,
        "this format is not supported by this version yet",
    );
}
