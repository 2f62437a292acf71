//! Sloth: `prometheus/v1`, its Kubernetes resource, and `AlertWindows`.

use super::codes;
use super::contents::Contents;
use super::document::Document;
use super::load::Context;
use super::reader::Reader;

/// Reads one document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Document, _context: &Context<'_>, _contents: &mut Contents) {
    let message = format!(
        "this is {}, which is not supported by this version yet",
        document.kind.name()
    );
    reader.report(&codes::UNSUPPORTED, document.root.span, message);
}
