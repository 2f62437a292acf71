//! Templates of Helm among SLO files: told apart from broken YAML, and from YAML that holds Prometheus's templates.
//!
//! A broken SLO file that is taken for a template would be skipped instead of mended, so that nothing counts as one
//! without a sign that only Helm gives.

use super::yaml::{self, Node, Value, YamlError};

/// What only Helm's templates know; Prometheus's know none of these.
const OBJECTS: [&str; 5] = [".Values", ".Release", ".Chart", ".Files", ".Capabilities"];
/// Functions of Helm, which Prometheus's templates do not have.
const FUNCTIONS: [&str; 3] = ["include", "toYaml", "tpl"];
/// Keys whose values are text for people and programs that come later: whatever stands there, and below, is data.
const FREE: [&str; 4] = ["annotations", "description", "labels", "policy"];
/// Keys, of all formats, of the identifiers, numbers and queries without which there is no SLO.
const NEEDED: [&str; 58] = [
    "alertPolicyRef",
    "apiVersion",
    "backend",
    "bad",
    "budgetingMethod",
    "conditionRef",
    "duration",
    "error_budget_policy",
    "error_query",
    "error_ratio_query",
    "errorQuery",
    "errorRatioQuery",
    "errors",
    "expr",
    "expression",
    "factor",
    "feature_name",
    "filter",
    "filter_bad",
    "filter_good",
    "filter_valid",
    "goal",
    "good",
    "grouping",
    "id",
    "indicatorRef",
    "job",
    "kind",
    "latency",
    "long",
    "lookbackWindow",
    "method",
    "metric",
    "name",
    "namespace",
    "objective",
    "op",
    "period",
    "query",
    "raw",
    "service",
    "service_level_indicator",
    "service_name",
    "short",
    "sloPeriod",
    "slo_name",
    "spec",
    "success",
    "target",
    "targetPercent",
    "threshold",
    "timeSliceTarget",
    "timeSliceWindow",
    "total",
    "totalQuery",
    "total_query",
    "version",
    "window",
];
/// Words that stand on lines of their own in every Go template.
const BLOCKS: [&str; 8] = ["template", "define", "block", "range", "if", "else", "end", "with"];

/// Whether a text is broken as YAML because Helm is yet to make YAML of it: without what stands in `{{ }}` where a line
/// or a value begins, the first error is gone.
pub(super) fn breaks(text: &str, errors: &[YamlError]) -> bool {
    let Some(first) = errors.iter().min_by_key(|error| error.span.start) else {
        return false;
    };
    let actions = actions(text);
    if !actions.iter().any(Action::is_helms) {
        return false;
    }
    let mut plain = text.to_owned();
    for action in actions.iter().rev() {
        plain.replace_range(action.start..action.end, &action.stand_in(text));
    }
    let is_first = |error: &YamlError| {
        (error.code, error.span.line, &error.message) == (first.code, first.span.line, &first.message)
    };
    !yaml::parse(&plain).errors.iter().any(is_first)
}

/// Whether a document is YAML and a template nevertheless: something that it needs is yet to be filled in, as in
/// `service: "{{ .Values.service }}"`. Text for people may say anything, and makes no template.
pub(super) fn fills(root: &Node) -> bool {
    fills_under(None, root)
}

fn fills_under(key: Option<&str>, node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => key.is_some_and(|key| NEEDED.contains(&key)) && holds_action(&scalar.text),
        Value::Seq(items) => items.iter().any(|item| fills_under(key, item)),
        Value::Map(entries) => entries.iter().any(|entry| {
            let key = entry.key.as_str();
            !FREE.contains(&key) && (holds_action(key) || fills_under(Some(key), &entry.value))
        }),
    }
}

fn holds_action(text: &str) -> bool {
    let actions = text.split("{{").skip(1);
    let mut inner = actions.map(|rest| rest.split("}}").next().unwrap_or_default());
    inner.any(|inner| OBJECTS.iter().any(|word| has_word(inner, word)) || begins_with(inner, &FUNCTIONS))
}

/// One `{{ … }}` outside of quotes, at the beginning of a line or of a value, or behind such a one in the same line.
struct Action<'a> {
    start: usize,
    end: usize,
    inner: &'a str,
    begins_line: bool,
    ends_line: bool,
}

impl Action<'_> {
    fn is_helms(&self) -> bool {
        OBJECTS.iter().any(|word| has_word(self.inner, word))
            || begins_with(self.inner, &FUNCTIONS)
            || (self.begins_line && (begins_with(self.inner, &BLOCKS) || self.inner.starts_with("/*")))
    }

    /// What leaves all other places where they are: nothing for whole lines, else a word.
    fn stand_in(&self, text: &str) -> String {
        let fill = if self.begins_line && self.ends_line { ' ' } else { 'x' };
        let written = text[self.start..self.end].chars();
        written.map(|c| if c == '\n' || c == '\r' { c } else { fill }).collect()
    }
}

fn actions(text: &str) -> Vec<Action<'_>> {
    let mut actions: Vec<Action<'_>> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("{{").map(|found| at + found) {
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let before = text[line_start..start].trim_start();
        let begins_line = before.is_empty();
        let follows = actions.last().is_some_and(|last| last.end > line_start);
        let begins_value = before.trim_end().ends_with(':') || before.trim_start_matches(['-', ' ']).is_empty();
        if before.starts_with('#') || !(begins_line || begins_value || follows) {
            at = start + 2;
            continue;
        }
        let Some(end) = end_of(text, start + 2) else {
            break;
        };
        let inner = text[start + 2..end - 2].trim_start_matches('-').trim_start();
        let rest = text[end..].lines().next().unwrap_or_default();
        actions.push(Action {
            start,
            end,
            inner,
            begins_line,
            ends_line: rest.trim().is_empty(),
        });
        at = end;
    }
    actions
}

/// The byte after the `}}` that ends an action, whose strings may hold others; `None` where it never ends.
fn end_of(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = from;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(b'"'), b'\\') => at += 1,
            (Some(open), byte) if open == byte => quote = None,
            (None, byte @ (b'"' | b'`')) => quote = Some(byte),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at + 2),
            _ => {}
        }
        at += 1;
    }
    None
}

fn begins_with(inner: &str, words: &[&str]) -> bool {
    let inner = inner.trim_start_matches('-').trim();
    let first = inner.split(|c: char| !c.is_ascii_alphanumeric()).next();
    first.is_some_and(|first| words.contains(&first))
}

/// `.Values.x` and `$.Values` have the word `.Values`; `.ValuesOf` and `x.Values` have not.
fn has_word(inner: &str, word: &str) -> bool {
    inner.match_indices(word).any(|(at, _)| {
        let before = inner[..at].chars().next_back();
        let after = inner[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use crate::spec::load;

    const FILE: &str = "version: prometheus/v1\nservice: shop\nslos:\n  - name: errors\n    objective: 99\n    sli:\n      \
        events:\n        error_query: sum(rate(a_total{code=\"5\"}[{{.window}}]))\n        total_query: \
        sum(rate(a_total[{{.window}}]))\n    alerting:\n      name: Errors\n      annotations:\n        text: TEXT\n";

    fn found(text: &str) -> String {
        let loaded = load(text, "f.yaml");
        let mut codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.join(" ")
    }

    #[test]
    fn broken_yaml_is_no_template() {
        for (sentence, text) in [
            (
                "a label of Prometheus after a stray colon",
                FILE.replace("TEXT", "a: {{ $labels.x }} b"),
            ),
            (
                "a label of Prometheus without quotes",
                FILE.replace("TEXT", "{{ $labels.x }} burns"),
            ),
            (
                "a value of Prometheus without quotes",
                FILE.replace("TEXT", "{{ .Value }}: x"),
            ),
            (
                "Prometheus's blocks in a text, and a line indented too far",
                FILE.replace(
                    "TEXT",
                    "|\n          {{ if $value }}\n          much\n          {{ end }}",
                )
                .replace("    sli:", "     sli:"),
            ),
            (
                "a missing quote, and Helm in a comment",
                FILE.replace("TEXT", "\"open\n# {{ .Values.x }}"),
            ),
            (
                "Helm within quotes, and a tab above",
                FILE.replace("TEXT", "'{{ .Values.x }}'")
                    .replace("    objective", "\tobjective"),
            ),
        ] {
            assert!(found(&text).contains("N002"), "{sentence}: {}", found(&text));
        }
        let twice = FILE.replace("    objective: 99\n", "    objective: 99\n    objective: 98\n");
        assert_eq!(found(&twice.replace("TEXT", "'{{ $labels.x }}'")), "I002 N003");
    }

    #[test]
    fn templates_of_helm_are_skipped() {
        for text in [
            format!("{{{{- if .Values.slo }}}}\n{FILE}{{{{- end }}}}\n"),
            format!("{{{{- define \"slos\" -}}}}\n{FILE}{{{{- end -}}}}\n"),
            format!("{{{{- /* SLOs\n of the shop */ -}}}}\n{FILE}"),
            FILE.replace("service: shop", "service: {{ .Values.service }}"),
            FILE.replace("service: shop", "service: {{ $.Release.Name }}-{{ .name }}-web"),
            FILE.replace(
                "service: shop",
                "service: {{ printf \"{{%s}}\" .Values.service | quote }}",
            ),
            FILE.replace(
                "    objective: 99",
                "    {{- with .Values.o }}\n    objective: {{ . }}\n    {{- end }}",
            ),
            FILE.replace(
                "      annotations:\n",
                "      {{- include \"labels\" . | nindent 6 }}\n      annotations:\n",
            ),
            FILE.replace("service: shop", "service: \"{{ .Values.service }}\""),
            FILE.replace("service: shop", "service: '{{ include \"name\" . }}-web'"),
        ] {
            assert_eq!(found(&text), "I003", "{text}");
        }
        let named = |name: &str| found(&FILE.replace("name: Errors", &format!("name: '{name}'")));
        assert_eq!(named("{{ .Values }} {{ $labels.Release }}"), "I003");
        assert_ne!(named("{{ $x.Values }} {{ .ValuesOf }} .Values"), "I003");
    }

    #[test]
    fn text_that_speaks_of_helm_makes_no_template() {
        const NATIVE: &str = "version: nines/v1\nservice: shop\nslos:\n  - name: errors\n    objective: 99\n    window: 30d\n    \
            indicator: {total: requests_total, bad: errors_total}\n";
        let action = "\"see {{ .Values.x }} docs\"";
        for line in [
            format!("    description: {action}\n"),
            format!("    description: {}\n", "\"{{ .Values.x }}\""),
            format!("    labels: {{name: {action}}}\n"),
            format!("    annotations: {{name: {action}, summary: {action}}}\n"),
            format!("    policy: {action}\n"),
        ] {
            let whole = format!("{NATIVE}{line}");
            let loaded = load(&whole, "f.yaml");
            assert_eq!(
                (found(&whole).contains("I003"), loaded.slos.len()),
                (false, 1),
                "{line}"
            );
            let misspelt = whole.replace("objective", "objektive");
            let told = load(&misspelt, "f.yaml").diagnostics;
            assert!(told.iter().any(|found| found.message.contains("objektive")), "{line}");
        }
        assert_eq!(found(&NATIVE.replace("99", "\"{{ .Values.objective }}\"")), "I003");
        assert_eq!(
            found(&NATIVE.replace("bad: errors_total", "bad: 'errors_total{job=\"{{ .Values.job }}\"}'")),
            "I003",
            "what a query selects is needed too"
        );
        let annotated = FILE.replace("TEXT", "'{{ .Values.x }}'");
        assert!(!found(&annotated).contains("I003"), "Sloth's annotations");
    }
}
