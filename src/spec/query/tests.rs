//! Queries in files: where their errors stand, and what is said about them.

use super::{Query, Ranges, parse, ratio, raw_ratio, read, same, selects_good, threshold};
use crate::domain::indicator::{CompareOp, Indicator, IndicatorKind, RatioPart, Sources};
use crate::domain::selector_parser::parse_selector;
use crate::spec::reader::{Field, Reader};
use crate::spec::yaml::{self, Node, Span};
use crate::spec::{Options, load_all};

fn root(text: &str) -> Node {
    let mut parsed = yaml::parse(text);
    assert!(parsed.errors.is_empty(), "{text}: {:?}", parsed.errors);
    parsed.documents.remove(0)
}

fn field<'n>(root: &'n Node, key: &'static str) -> Field<'n> {
    let entry = root.entry(key).expect(key);
    Field {
        key,
        key_span: entry.key_span,
        node: &entry.value,
    }
}

/// `code line:column` of all that is said.
fn said(reader: Reader<'_>) -> Vec<String> {
    let found = reader.into_diagnostics();
    found
        .iter()
        .map(|d| format!("{} {}:{}", d.code, d.line, d.column))
        .collect()
}

/// What is said about the query of a file `q: …`.
fn about(text: &str, ranges: Ranges) -> Vec<String> {
    let root = root(text);
    let mut reader = Reader::new(text, "f.yaml");
    read(&mut reader, field(&root, "q"), ranges);
    said(reader)
}

#[test]
fn errors_stand_at_their_character_in_every_kind_of_scalar() {
    for (text, place) in [
        ("q: sum(rat(x[5m]))\n", "N040 1:8"),
        ("q: \"sum(rat(x[5m]))\"\n", "N040 1:9"),
        ("q: 'x{a=\"it''s\"} / rat(x[5m])'\n", "N040 1:20"),
        ("q: \"x{a=\\\"b\\\"} / rat(x[5m])\"\n", "N040 1:18"),
        ("q: |\n  sum(\n    rat(x[5m])\n  )\n", "N040 3:5"),
        ("q: |-\n  sum(\n    rat(x[5m])\n  )\n", "N040 3:5"),
        ("q: >-\n  sum(\n  rat(x[5m])\n  )\n", "N040 3:3"),
        ("q: >\n\n  sum(rate(x[5m]))\n  /\n\n  rat(x[5m])\n", "N040 6:3"),
        ("q: sum(\n   rat(x[5m]))\n", "N040 2:4"),
        ("q: \"sum(\\\n  rat(x[5m]))\"\n", "N040 2:3"),
        ("q: \"sum(\\n  rat(x[5m]))\"\n", "N040 1:13"),
        ("q: \"ä{\"\n", "N040 1:5"),
        ("q: sum(x\n", "N040 1:9"),
        ("q: |\n  sum(x\n  # é\n  )) \n", "N040 4:4"),
        ("\"q\": \"x{a=\\\"\\u00e9\\\"} )\"\n", "N040 1:23"),
    ] {
        assert_eq!(about(text, Ranges::Any), [place], "{text}");
    }
}

#[test]
fn a_template_is_asked_for_at_the_fixed_range() {
    for (text, expected) in [
        ("q: sum(rate(x[{{.window}}]))\n", vec![]),
        ("q: |\n  sum(rate(x{a=\"b\"}[5m]))\n", vec!["N041 2:21"]),
        ("q: a / b\n", vec!["N041 1:4"]),
        ("q: sum(rate(x[{{.window}}])) / sum(rate(y[5m]))\n", vec!["L013 1:43"]),
        ("q: max_over_time((rate(x[5m]))[{{.window}}:1m])\n", vec![]),
    ] {
        assert_eq!(about(text, Ranges::Template), expected, "{text}");
    }
}

#[test]
fn a_rewritten_query_keeps_its_places() {
    let text = "q: sum(rate(x[window])) / rat(x[5m])\n";
    let root = root(text);
    let mut reader = Reader::new(text, "f.yaml");
    let rewritten = "sum(rate(x[{{.window}}])) / rat(x[5m])";
    assert!(parse(&mut reader, field(&root, "q").node, rewritten, Ranges::Template).is_none());
    assert_eq!(said(reader), ["N040 1:27"]);
}

/// The indicator of `t` and `p`, and what is said about it.
fn of_two(total: &str, part: &str, part_is: RatioPart) -> (Indicator, Vec<String>) {
    let text = format!("t: {total}\np: {part}\n");
    let root = root(&text);
    let mut reader = Reader::new(&text, "f.yaml");
    let [total, part] = ["t", "p"].map(|key| read(&mut reader, field(&root, key), Ranges::Any).expect(key));
    let indicator = ratio(&mut reader, &total, &part, part_is);
    (indicator, said(reader))
}

#[test]
fn what_is_odd_about_two_queries_is_said() {
    const RATE: &str = "sum(rate(t[{{.window}}]))";
    for (part, expected) in [
        ("sum(rate(b{code=~\"5..\"}[{{.window}}]))", vec![]),
        ("sum(rate(b{code=~\"2..\"}[{{.window}}]))", vec!["L015 2:13"]),
        ("sum(rate(b{status!~\"5..\"}[{{.window}}]))", vec!["L015 2:13"]),
        ("sum(rate(b{code!~\"4..\"}[{{.window}}]))", vec![]),
        (
            "sum(rate(t[{{.window}}])) - sum(rate(t{code=\"200\"}[{{.window}}]))",
            vec![],
        ),
        ("sum(rate(t[{{ .window }}]))", vec!["L001 2:4"]),
        ("sum(rate(b[5m]))", vec!["I001 2:4", "L013 2:15"]),
        (
            "histogram_quantile(0.9, sum by (le) (rate(h_bucket[{{.window}}]))) > 0.2",
            vec!["L014 2:4", "I001 2:4"],
        ),
        ("sum(rate(b[{{.window}}])) > 0", vec!["I001 2:4"]),
        ("sum(rate(h_bucket{le=\"1\"}[{{.window}}]))", vec!["L015 2:13"]),
        ("sum(rate(h_bucket{le=\"+Inf\"}[{{.window}}]))", vec![]),
        (
            "sum(rate(h_count[{{.window}}])) - sum(rate(h_bucket{le=\"1\"}[{{.window}}]))",
            vec!["I001 2:4"],
        ),
        (
            "sum(rate(h_bucket{le=\"1\"}[{{.window}}])) - sum(rate(h_bucket{le=\"+Inf\"}[{{.window}}]))",
            vec!["L014 2:4", "I001 2:4"],
        ),
        (
            "sum(rate(h_bucket{le=\"1\"}[{{.window}}])) - sum(rate(h_count[{{.window}}]))",
            vec!["L014 2:4", "I001 2:4"],
        ),
        (
            "sum(rate(h_bucket{le=\"5\"}[{{.window}}])) - sum(rate(h_bucket{le=\"1\"}[{{.window}}]))",
            vec!["I001 2:4"],
        ),
        ("sum(rate(calls_success_total[{{.window}}]))", vec!["L015 2:13"]),
        ("sum(irate(b[{{.window}}]))", vec![]),
        ("sum(increase(b[{{.window}}]))", vec!["I001 2:4", "L025 2:8"]),
        ("sum(increase(b[{{.window}}])) / 300", vec!["I001 2:4"]),
        (
            "sum(rate(b[{{.window}}])) + sum(increase(c[{{.window}}]))",
            vec!["I001 2:4", "L025 2:36"],
        ),
        ("b:rate{{.window}}", vec!["I001 2:4"]),
        ("sum(rate(calls_not_succeeded_total[{{.window}}]))", vec![]),
    ] {
        assert_eq!(of_two(RATE, part, RatioPart::Bad).1, expected, "{part}");
    }
}

#[test]
fn a_ratio_of_events_and_events_per_second_is_doubted() {
    for (query, expected) in [
        ("sum(rate(b[5m])) / sum(increase(t[5m]))", vec!["L025 1:27"]),
        ("1 - sum(increase(g[5m])) / sum(irate(t[5m]))", vec!["L025 1:35"]),
        ("sum(rate(b[5m]) * 300) / sum(increase(t[5m]))", vec![]),
        ("sum(rate(b[5m])) / sum(rate(t[5m]))", vec![]),
    ] {
        let text = format!("q: {query}\n");
        let root = root(&text);
        let mut reader = Reader::new(&text, "f.yaml");
        let found = self::query(&mut reader, &root);
        raw_ratio(&mut reader, &found, RatioPart::Bad);
        let said: Vec<String> = said(reader)
            .into_iter()
            .filter(|said| said.starts_with("L025"))
            .collect();
        assert_eq!(said, expected, "{query}");
    }
}

#[test]
fn selectors_are_counters_and_understood_queries_keep_their_text() {
    let (indicator, said) = of_two("t_total", "b_total", RatioPart::Bad);
    assert!(
        matches!(indicator.kind, IndicatorKind::Ratio { .. }) && said.is_empty(),
        "{said:?}"
    );
    let (indicator, _) = of_two("sum by (x) (rate(t[1m]))", "sum by (x) (rate(b[1m]))", RatioPart::Good);
    assert_eq!(indicator.group_by, ["x"]);
    let IndicatorKind::PromQl(promql) = &indicator.kind else {
        panic!("{indicator:?}");
    };
    assert!(matches!(promql.scraped.as_deref(), Some(IndicatorKind::Ratio { .. })));
    assert!(matches!(
        indicator.fed_by(&Sources::default()).kind,
        IndicatorKind::Ratio { .. }
    ));
}

#[test]
fn plain_selectors_of_good_events_are_doubted() {
    for (selector, expected) in [
        ("h_bucket{le=\"0.5\"}", "those of at most 0.5"),
        ("x_succeeded_total", "by its name"),
        ("x{code=~\"2..\"}", "selects the good ones"),
        ("x{code=~\"5..\"}", ""),
        ("h_bucket{le=\"+Inf\"}", ""),
        ("x_unsuccessful_total", ""),
    ] {
        let mut reader = Reader::new("", "f.yaml");
        selects_good(&mut reader, Span::default(), &parse_selector(selector).expect(selector));
        let found: String = reader.into_diagnostics().iter().map(|d| d.message.clone()).collect();
        assert!(
            found.contains(expected) && found.is_empty() == expected.is_empty(),
            "{selector}: {found}"
        );
    }
}

#[test]
fn the_errors_of_pyrra_are_doubted_too() {
    let text = "\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: a}
spec:
  target: '99'
  window: 4w
  indicator:
    ratio:
      errors: {metric: 'calls_success_total'}
      total: {metric: 'calls_total'}
";
    let files = [("f.yaml".to_owned(), text.to_owned())];
    let loaded = load_all(&files, &Options::default()).files.remove(0);
    let found: Vec<_> = loaded.diagnostics.iter().filter(|d| d.code == "L015").collect();
    assert!(found.len() == 1 && found[0].line == 9, "{:?}", loaded.diagnostics);
}

#[test]
fn groups_stay_where_only_a_server_can_answer() {
    let by = |label: &str, what: &str| format!("{what} by ({label}) (rate(x[{{{{.window}}}}]))");
    let (indicator, found) = of_two(&by("a", "max"), &by("a", "min"), RatioPart::Bad);
    assert_eq!(
        (indicator.group_by, found),
        (vec!["a".to_owned()], vec!["I001 1:4".to_owned()])
    );
    let (indicator, found) = of_two(&by("le", "max"), &by("le", "min"), RatioPart::Bad);
    assert_eq!(
        (indicator.group_by.len(), found),
        (0, vec!["I001 1:4".to_owned(), "I002 1:4".to_owned()])
    );
}

#[test]
fn a_fixed_range_is_no_matter_where_scraping_serves_it() {
    let (_, found) = of_two("sum(rate(t[5m]))", "sum(rate(b[5m]))", RatioPart::Bad);
    assert!(found.is_empty(), "{found:?}");
    let (_, found) = of_two("max(rate(t[5m]))", "max(rate(b[5m]))", RatioPart::Bad);
    assert_eq!(found, ["I001 1:4", "L013 1:15", "L013 2:15"]);
}

fn query(reader: &mut Reader<'_>, root: &Node) -> Query {
    read(reader, field(root, "q"), Ranges::Any).expect("a query")
}

#[test]
fn single_queries_become_shares_and_gauges() {
    let text = "q: 1 - sum(rate(g[{{.window}}])) / sum(rate(t[{{.window}}]))\n";
    let root = root(text);
    let mut reader = Reader::new(text, "f.yaml");
    let found = query(&mut reader, &root);
    let indicator = raw_ratio(&mut reader, &found, RatioPart::Bad).fed_by(&Sources::default());
    assert!(matches!(
        indicator.kind,
        IndicatorKind::Ratio {
            part_is: RatioPart::Good,
            ..
        }
    ));
    assert!(same(&found, &found.clone()));
    let indicator = threshold(&mut reader, &found, CompareOp::Lt, 0.1);
    assert!(matches!(&indicator.kind, IndicatorKind::PromQl(promql) if promql.scraped.is_none()));
    assert_eq!(said(reader), ["I001 1:4"]);
}
