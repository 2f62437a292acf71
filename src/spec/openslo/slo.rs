//! The kind SLO of v1 and v2alpha.

use super::alert::{self, Policies};
use super::metadata::{self, Metadata, Named};
use super::method::{self, Method};
use super::objective::{Item, indicator_keys};
use super::rules::Resolved;
use super::sli::{self, Sli};
use super::{Kind, Scope, TOOL, Version, rules, window};
use crate::domain::indicator::{CompositeMember, CompositePart, Indicator, IndicatorKind};
use crate::domain::labels::Labels;
use crate::domain::objective::Objective;
use crate::domain::slo::{BudgetingMethod, NoDataPolicy, Origin, Slo, SloId};
use crate::domain::window::TimeWindow;
use crate::spec::codes;
use crate::spec::contents::Contents;
use crate::spec::fields::did_you_mean;
use crate::spec::foreign;
use crate::spec::lints;
use crate::spec::reader::{Field, Fields, Reader};
use crate::spec::references::PARTS_MAX;
use crate::spec::suggest::suggest;
use crate::spec::yaml::{Entry, Node, Span};

/// What all SLOs of one document have in common.
pub(super) struct Head<'n> {
    name: Option<(String, Field<'n>)>,
    service: Option<String>,
    display_name: Option<String>,
    description: Option<String>,
    labels: Labels,
    annotations: Labels,
    whole: Span,
}

/// What one objective makes of it.
pub(super) struct Part {
    /// For people.
    pub display_name: Option<String>,
    /// What is counted.
    pub indicator: Indicator,
    /// The wanted share.
    pub objective: Objective,
    /// How events add up.
    pub method: BudgetingMethod,
    /// Over which time.
    pub window: TimeWindow,
}

impl<'n> Head<'n> {
    /// The names of a document's SLO, as they can be used here.
    pub fn new(
        reader: &mut Reader<'_>,
        metadata: Metadata<'n>,
        service: Option<Field<'_>>,
        description: Option<String>,
        root: &Node,
    ) -> Self {
        let service = service.and_then(|field| {
            let name = rules::filled(reader, field)?;
            usable(reader, field, name)
        });
        let name = metadata
            .name
            .and_then(|(name, field)| Some((usable(reader, field, name)?, field)));
        Self {
            name,
            service,
            display_name: metadata.display_name,
            description,
            labels: metadata.labels,
            annotations: metadata.annotations,
            whole: root.span,
        }
    }

    /// The name of the SLO of one of the objectives: the first has no suffix.
    fn name_of(&self, index: usize) -> Option<String> {
        let (name, _) = self.name.as_ref()?;
        Some(if index == 0 {
            name.clone()
        } else {
            format!("{name}-{index}")
        })
    }

    /// Says which SLOs there will be.
    pub fn announce(&self, contents: &mut Contents, objectives: usize) {
        let Some((_, field)) = &self.name else {
            return;
        };
        for index in 0..objectives.max(1) {
            contents.named(
                self.service.as_deref(),
                self.name_of(index).as_deref(),
                field.key_span.line,
            );
        }
    }

    /// Adds the SLO of one of the objectives, `None` where it is wrong.
    pub fn add(
        &self,
        reader: &mut Reader<'_>,
        contents: &mut Contents,
        index: usize,
        part: Option<Part>,
        policies: &Policies,
    ) {
        let (Some(name), Some((_, field)), Some(service)) = (self.name_of(index), &self.name, &self.service) else {
            return;
        };
        let id = SloId::new(service.as_str(), name);
        let slo = part.map(|part| {
            let length = part.window.length();
            lints::slices(reader, part.method, part.objective, length, field.node.span);
            Slo {
                id: id.clone(),
                description: self.describe(part.display_name),
                owner: None,
                labels: self.labels.clone(),
                annotations: self.annotations.clone(),
                indicator: part.indicator,
                objective: part.objective,
                alerting: policies.for_objective(reader, part.objective, length, field.node.span),
                window: part.window,
                method: part.method,
                no_data: NoDataPolicy::default(),
                policy: None,
                previous_names: Vec::new(),
                public: false,
                asks_server: false,
                origin: Origin::default(),
                source_text: String::new(),
            }
        });
        contents.add(reader, id, *field, self.whole, slo);
    }

    /// Display names and description in one text.
    fn describe(&self, objective: Option<String>) -> Option<String> {
        let names: Vec<String> = self.display_name.clone().into_iter().chain(objective).collect();
        let all = [Some(names.join(" – ")), self.description.clone()];
        let all: Vec<String> = all
            .into_iter()
            .flatten()
            .filter(|text| !text.trim().is_empty())
            .collect();
        Some(all.join(": ")).filter(|text| !text.is_empty())
    }
}

/// A name that can be part of an id: other characters become `-`. Nothing mends one that is too long.
fn usable(reader: &mut Reader<'_>, field: Field<'_>, name: String) -> Option<String> {
    if foreign::is_too_long(reader, field, &name) {
        return None;
    }
    if foreign::is_name(&name) {
        return Some(name);
    }
    let is_possible = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let plain: String = name
        .trim()
        .chars()
        .map(|c| if is_possible(c) { c } else { '-' })
        .collect();
    let plain = plain.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let usable = if plain.is_empty() { "unnamed" } else { plain };
    let message = format!("`{}` is \"{name}\"; in nines it is `{usable}`", field.key);
    reader.report(&codes::READ_LENIENTLY, field.node.span, message);
    Some(usable.to_owned())
}

/// Opens `spec`, which must hold something.
pub(super) fn open_spec<'n>(reader: &mut Reader<'_>, spec: Option<Field<'n>>, root: &Node) -> Option<Fields<'n>> {
    let spec = spec.filter(|field| !field.node.entries().is_some_and(<[Entry]>::is_empty));
    let Some(spec) = spec else {
        let message = "`spec` is missing or empty";
        let hint = "it holds `service`, `indicator`, `timeWindow`, `budgetingMethod` and `objectives`".to_owned();
        reader.report_with(&codes::MISSING_KEY, root.span, message, Some(hint));
        return None;
    };
    Fields::open(reader, spec)
}

/// The items of `objectives`; an SLO without any says nothing.
pub(super) fn objectives<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>) -> Vec<Field<'n>> {
    let field = fields.get("objectives");
    let items = field.map(|field| reader.list(field)).unwrap_or_default();
    if items.is_empty() && field.is_none_or(|field| field.node.items().is_some()) {
        let span = field.map_or(fields.span(), |field| field.key_span);
        let message = "`objectives` is missing or empty, so that there is nothing to keep";
        rules::uncomputable(reader, &codes::MISSING_KEY, span, message, None);
    }
    items
}

/// Reads an SLO.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &Node,
    mut fields: Fields<'_>,
    scope: Scope<'_>,
    contents: &mut Contents,
) {
    let metadata = metadata::read(reader, fields.get("metadata"), root.span, Named::Must, scope);
    let spec = fields.get("spec");
    fields.finish_foreign(reader, TOOL);
    let Some(mut fields) = open_spec(reader, spec, root) else {
        return;
    };
    let description = fields
        .get("description")
        .and_then(|field| rules::description(reader, field));
    let service = read_service(reader, &mut fields, scope);
    let head = Head::new(reader, metadata, service, description, root);
    let (inline_key, reference_key) = indicator_keys(scope);
    let (inline, reference) = (fields.get(inline_key), fields.get(reference_key));
    if scope.version == Version::V2Alpha {
        refuse_renamed(reader, &mut fields);
    }
    let method = method::read(reader, &mut fields, scope);
    let items = objectives(reader, &mut fields);
    let moved = window::under_objectives(reader, &fields, "timeWindow", &items);
    let window = window::read(reader, &mut fields, moved, scope);
    let policies = alert::read(reader, fields.get("alertPolicies"), scope);
    fields.finish_foreign(reader, TOOL);
    let items = items.into_iter();
    let items: Vec<_> = items
        .map(|item| Item::read(reader, item, moved.is_some(), scope))
        .collect();
    let is_composite = items.iter().flatten().any(Item::is_member);
    let has_indicator = inline.is_some() || reference.is_some();
    if is_composite == has_indicator {
        let found = if is_composite { "both" } else { "neither" };
        let message = format!(
            "`spec` has exactly one of `{inline_key}` and `{reference_key}`, or each of its `objectives` has, not {found}"
        );
        let span = inline.or(reference).or(spec).map_or(root.span, |field| field.key_span);
        reader.report(&codes::EXCLUSIVE, span, message);
    }
    let common = Common {
        scope,
        method,
        window,
        policies,
    };
    if is_composite {
        head.announce(contents, 1);
        let composite = read_composite(reader, &items, &common);
        head.add(reader, contents, 0, composite, &common.policies);
        return;
    }
    head.announce(contents, items.len());
    let sli = read_indicator(reader, inline, reference, scope);
    for (index, item) in items.iter().enumerate() {
        let part = item.as_ref().and_then(|item| {
            if let Some(field) = item.weight {
                let message = "`compositeWeight` has no effect: the objectives have no indicators of their own";
                reader.report(&codes::NO_EFFECT, field.key_span, message);
            }
            read_part(reader, item, sli.as_ref(), inline.is_some(), &common)
        });
        head.add(reader, contents, index, part, &common.policies);
    }
}

/// What v1 calls otherwise.
fn refuse_renamed(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    for (old, new) in [("indicator", "sli"), ("indicatorRef", "sliRef")] {
        if let Some(field) = fields.get(old) {
            let message = format!("`{old}` of v1 is `{new}` in v2alpha");
            let hint = Some(did_you_mean(new));
            reader.report_lenient(&codes::FOREIGN_KEY, field.key_span, message, hint);
        }
    }
}

/// What the objectives of one SLO share.
struct Common<'a> {
    scope: Scope<'a>,
    method: Option<Method>,
    window: Option<TimeWindow>,
    policies: Policies,
}

/// `service`; the SDK's v2alpha has `serviceRef` where its document has `service`.
fn read_service<'n>(reader: &mut Reader<'_>, fields: &mut Fields<'n>, scope: Scope<'_>) -> Option<Field<'n>> {
    let key = if scope.version == Version::V2Alpha {
        "serviceRef"
    } else {
        "service"
    };
    let written = fields.get(key);
    let other = if scope.version == Version::V2Alpha && written.is_none() {
        fields.get("service")
    } else {
        None
    };
    if let Some(field) = other {
        let message = "`service` is `serviceRef` in the SDK's v2alpha";
        rules::refused(reader, field.key_span, message, None);
    }
    let field = written.or(other);
    if field.is_none() {
        let message = format!("`{key}` is missing: the service whose SLO this is");
        reader.report(&codes::MISSING_KEY, fields.span(), message);
    }
    field
}

/// An indicator, inline or by reference. Without it, that was reported.
fn read_indicator(
    reader: &mut Reader<'_>,
    inline: Option<Field<'_>>,
    reference: Option<Field<'_>>,
    scope: Scope<'_>,
) -> Option<Sli> {
    if let (Some(inline), Some(reference)) = (inline, reference) {
        let message = format!(
            "exactly one of `{}` and `{}` is possible, not both",
            inline.key, reference.key
        );
        reader.report(&codes::EXCLUSIVE, reference.key_span, message);
    }
    let by_inline = inline.and_then(|field| sli::read_inline(reader, field, scope));
    let by_reference = reference.and_then(|field| {
        rules::reference(reader, field)?;
        match rules::resolve(reader, scope, Kind::Sli, field, sli::read_object) {
            Resolved::Found(sli) => Some(sli),
            Resolved::Invalid => None,
            Resolved::Missing => {
                refuse_unresolved(reader, field, scope);
                None
            }
        }
    });
    by_inline.or(by_reference)
}

/// Without its indicator an SLO would silently not run. The SDK looks at each object by itself and accepts it.
fn refuse_unresolved(reader: &mut Reader<'_>, field: Field<'_>, scope: Scope<'_>) {
    if reader.is_strict() {
        rules::warn_unresolved(reader, scope, Kind::Sli, field, ", so that nothing is computed");
        return;
    }
    let name = field.node.text().unwrap_or_default();
    let message = format!("`{}`: there is no SLI {name} in these files", field.key);
    let hint = suggest(name, scope.context.objects.names(Kind::Sli.word()))
        .map_or("add the file that holds it to the paths".to_owned(), |meant| {
            format!("did you mean `{meant}`?")
        });
    reader.report_with(&codes::REFERENCE, field.node.span, message, Some(hint));
}

/// The SLO of one objective with this indicator.
fn read_part(
    reader: &mut Reader<'_>,
    item: &Item<'_>,
    sli: Option<&Sli>,
    is_inline: bool,
    common: &Common<'_>,
) -> Option<Part> {
    let method = common
        .method
        .and_then(|method| method::of_objective(reader, method, item.slices, common.scope));
    let indicator = sli.and_then(|sli| {
        let comparison = if sli.is_threshold() {
            item.comparison(reader, is_inline)
        } else {
            item.refuse_comparison(reader, is_inline);
            None
        };
        sli.indicator(reader, comparison.as_ref())
    });
    Some(Part {
        display_name: item.display_name.clone(),
        indicator: indicator?,
        objective: item.target?,
        method: method?,
        window: common.window.clone()?,
    })
}

fn has_too_many_parts(reader: &mut Reader<'_>, items: &[Option<Item<'_>>]) -> bool {
    let too_many = items.len() > PARTS_MAX;
    if let (true, Some(first)) = (too_many, items.iter().flatten().next()) {
        let message = format!("a composite has at most {PARTS_MAX} objectives, not {}", items.len());
        reader.report(&codes::RANGE, first.field.node.span, message);
    }
    too_many
}

/// An SLO of several indicators, each with a target and a weight.
fn read_composite(reader: &mut Reader<'_>, items: &[Option<Item<'_>>], common: &Common<'_>) -> Option<Part> {
    if has_too_many_parts(reader, items) {
        return None;
    }
    let mut members = Vec::new();
    let mut method = None;
    let mut is_complete = true;
    for (index, item) in items.iter().enumerate() {
        let Some(item) = item else {
            is_complete = false;
            continue;
        };
        if !item.is_member() {
            let message = "an objective without an indicator is left out of the composite";
            reader.report(&codes::READ_LENIENTLY, item.field.node.span, message);
            continue;
        }
        let weight = item.weight(reader);
        let sli = read_indicator(reader, item.inline, item.reference, common.scope);
        // The SDK never looks for `op` and `value` in composites.
        let part = read_part(reader, item, sli.as_ref(), false, common);
        let Some((weight, part)) = weight.zip(part) else {
            is_complete = false;
            continue;
        };
        if *method.get_or_insert(part.method) != part.method {
            let message = "a composite has one method; the slices of its first objective hold for all";
            reader.report(&codes::NOT_CARRIED, item.field.node.span, message);
        }
        members.push(CompositeMember {
            name: part
                .display_name
                .or_else(|| item.name())
                .unwrap_or_else(|| (index + 1).to_string()),
            weight,
            part: CompositePart::Indicator {
                indicator: part.indicator,
                objective: part.objective,
            },
        });
    }
    let objective = composite_objective(&members)?;
    if let (0, Some(Some(first))) = (objective.parts_per_billion(), items.first()) {
        let message = "the weighted parts of this composite may miss all of it: its objective is 0%";
        reader.report(&codes::OBJECTIVE_EDGE, first.field.node.span, message);
    }
    Some(Part {
        display_name: None,
        indicator: Indicator {
            kind: IndicatorKind::Composite(members),
            source: None,
            group_by: Vec::new(),
        },
        objective,
        method: method.filter(|_| is_complete)?,
        window: common.window.clone()?,
    })
}

/// Each part's allowed errors, weighed, add up: 95 % and 95 % give 90 %.
fn composite_objective(members: &[CompositeMember]) -> Option<Objective> {
    let one = Objective::from_parts_per_billion(1_000_000_000)?;
    let errors = members.iter().map(|member| match &member.part {
        CompositePart::Indicator { objective, .. } => {
            let missing = one.parts_per_billion() - objective.parts_per_billion();
            (missing as f64 * member.weight).round()
        }
        CompositePart::Slo(_) => 0.0,
    });
    let errors: f64 = errors.sum();
    let left = (one.parts_per_billion() as f64 - errors).max(0.0);
    Objective::from_parts_per_billion(left as i64)
}

impl Item<'_> {
    /// What a part of a composite is called where it has no display name.
    fn name(&self) -> Option<String> {
        let inline = self.inline.and_then(|field| field.node.get("metadata")?.get("name"));
        let node = inline.or(self.reference.map(|field| field.node))?;
        node.text().map(ToOwned::to_owned)
    }
}
