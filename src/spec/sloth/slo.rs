//! One entry of `slos`.

use super::words::{self, labels};
use super::{Group, TOOL, alerting, sli, slo_plugins};
use crate::domain::labels::Labels;
use crate::domain::objective::{Objective, ObjectiveUnit};
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::window::TimeWindow;
use crate::spec::contents::Contents;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::yaml::{Scalar, Value};
use crate::spec::{codes, foreign};

/// Reads one SLO.
pub(super) fn read(reader: &mut Reader<'_>, item: Field<'_>, group: &Group, contents: &mut Contents) {
    let Some(mut fields) = Fields::open(reader, item) else {
        return;
    };
    let name_field = fields.require("name");
    let name = name_field.and_then(|field| words::name(reader, field));
    let line = name_field.map_or(item.node.span.line, |field| field.key_span.line);
    if name.is_some() {
        contents.named(group.service.as_deref(), name.as_deref(), line);
    }
    let id = group.service.as_deref().zip(name.as_deref());
    let id = id.map(|(service, name)| SloId::new(service, name));
    let slo = read_body(reader, &mut fields, item, group, id.as_ref());
    words::misread(reader, &mut fields, &words::PERIODS);
    fields.finish_foreign(reader, TOOL);
    if let (Some(id), Some(field)) = (id, name_field) {
        contents.add(reader, id, field, item.node.span, slo);
    }
}

/// Reads all keys, whatever is wrong with some of them; `None` when a needed one is.
fn read_body(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'_>,
    item: Field<'_>,
    group: &Group,
    id: Option<&SloId>,
) -> Option<Slo> {
    let objective_field = fields.require("objective");
    let objective = objective_field.and_then(|field| read_objective(reader, field));
    let description = fields.get("description").and_then(|field| reader.text(field));
    let own_labels = fields.get("labels").map(|field| labels(reader, field, &[]));
    let indicator = fields
        .require("sli")
        .and_then(|field| sli::read(reader, field, group.keys));
    let plugins = fields.get("plugins");
    let alerts_wait = plugins.is_some_and(|field| slo_plugins::read(reader, field));
    let alerting = alerting::read(
        reader,
        fields.get("alerting"),
        group,
        &alerting::Subject {
            id,
            objective,
            span: objective_field.map_or(item.node.span, |field| field.node.span),
            item: item.node.span,
            alerts_wait: alerts_wait || group.alerts_wait,
        },
    );
    Some(Slo {
        id: id?.clone(),
        description: description.filter(|text| !text.trim().is_empty()),
        owner: None,
        labels: merged(&group.labels, own_labels),
        annotations: Labels::new(),
        indicator: indicator?,
        objective: objective?,
        window: TimeWindow::Rolling {
            length: group.period,
            written: group.period.to_prometheus(),
        },
        method: BudgetingMethod::Occurrences,
        no_data: NoDataPolicy::default(),
        policy: None,
        alerting: alerting?,
        previous_names: Vec::new(),
        public: false,
        asks_server: false,
        origin: Origin::default(),
        source_text: String::new(),
    })
}

/// The service's labels, overridden by the SLO's.
fn merged(service: &Labels, own: Option<Labels>) -> Labels {
    let mut labels = service.clone();
    for (name, value) in own.unwrap_or_default().iter() {
        labels.set(name, value);
    }
    labels
}

/// A percentage above 0, at most 100.
fn read_objective(reader: &mut Reader<'_>, field: Field<'_>) -> Option<Objective> {
    let span = field.node.span;
    if let Value::Scalar(Scalar { plain: false, text }) = &field.node.value {
        let message = "Sloth refuses an objective in quotes";
        let hint = Some(format!("write `objective: {text}`"));
        reader.report_lenient(&codes::READ_LENIENTLY, span, message, hint);
    }
    let number = field.node.text().and_then(|text| text.trim().parse::<f64>().ok());
    match number {
        Some(0.0) => {
            let message = "an objective of 0 asks for nothing; it must be above 0 and at most 100";
            reader.report(&codes::OBJECTIVE, span, message);
            return None;
        }
        Some(number) if number > 0.0 && number <= 1.0 => {
            let message = format!("the objective {number} is read as {number} %");
            let percent = number * 100.0;
            let hint = (number < 1.0).then(|| format!("objectives are percentages: write {percent:.7}"));
            let hint = hint.map(|hint| hint.trim_end_matches('0').trim_end_matches('.').to_owned());
            reader.report_with(&codes::PERCENT, span, message, hint);
        }
        _ => {}
    }
    foreign::objective(reader, field, ObjectiveUnit::Percent)
}
