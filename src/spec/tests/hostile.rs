//! Files that are made to be slow or long to read, and what is told of them.

use std::fmt::Write;

use crate::spec::diagnostic::Diagnostic;
use crate::spec::load;

/// A document whose SLOs are composites of the SLOs of these numbers.
fn composites(count: usize, parts: impl Fn(usize) -> Vec<usize>) -> String {
    let mut text = "version: nines/v1\nservice: s\nslos:\n".to_owned();
    for node in 0..count {
        let parts: Vec<String> = parts(node).iter().map(|part| format!("{{slo: a{part}}}")).collect();
        let indicator = if parts.is_empty() {
            "{total: t_total, bad: b_total}".to_owned()
        } else {
            format!("{{composite: [{}]}}", parts.join(", "))
        };
        let _ = writeln!(
            text,
            "  - {{name: a{node}, objective: 99, window: 30d, indicator: {indicator}}}"
        );
    }
    text
}

fn of_code(text: &str, code: &str) -> Vec<Diagnostic> {
    let found = load(text, "x.yaml").diagnostics.into_iter();
    found.filter(|found| found.code == code).collect()
}

#[test]
fn a_long_chain_of_composites_is_read() {
    let count = 5_000;
    let text = composites(count, |node| (node + 1..count).take(2).collect());
    let loaded = load(&text, "x.yaml");
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.is_error()).collect();
    assert!(errors.is_empty(), "{:?}", errors.first());
    assert_eq!(loaded.slos.len(), count);
}

#[test]
fn a_circle_is_told_once_whatever_its_length() {
    let count = 2_000;
    let found = of_code(&composites(count, |node| vec![(node + 1) % count]), "N036");
    assert_eq!(found.len(), count);
    assert_eq!(
        found[0].message,
        "s/a0 is a part of itself: s/a0 → s/a1 → s/a2 → s/a3 → s/a4 → …"
    );
    assert!(
        found[1..]
            .iter()
            .all(|found| found.message.ends_with(" is part of the same circle, see line 4"))
    );
    assert_eq!(
        (
            found[9].line,
            found[9].snippet.as_deref().map(|line| line.contains("a10}"))
        ),
        (13, Some(true))
    );
}

#[test]
fn slos_that_all_refer_to_each_other_are_told_once_each() {
    let found = of_code(
        &composites(60, |node| (0..60).filter(|part| *part != node).collect()),
        "N036",
    );
    assert_eq!(found.len(), 60);
    assert_eq!(found[0].message, "s/a0 is a part of itself: s/a0 → s/a1 → s/a0");
}

#[test]
fn two_circles_are_told_by_themselves() {
    let ring = [vec![1], vec![0], vec![3, 0], vec![2], vec![2]];
    let found = of_code(&composites(ring.len(), |node| ring[node].clone()), "N036");
    let messages: Vec<&str> = found.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "s/a0 is a part of itself: s/a0 → s/a1 → s/a0",
            "s/a1 is part of the same circle, see line 4",
            "s/a2 is a part of itself: s/a2 → s/a3 → s/a2",
            "s/a3 is part of the same circle, see line 6",
        ]
    );
}

#[test]
fn a_composite_has_at_most_64_parts() {
    for (parts, said) in [(64, None), (65, Some("a composite has 1 to 64 parts, not 65"))] {
        let text = composites(
            parts + 1,
            |node| if node == 0 { (1..=parts).collect() } else { Vec::new() },
        );
        let found = of_code(&text, "N045");
        assert_eq!(found.first().map(|found| found.message.as_str()), said);
    }
    let mut text = "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n  service: s\n  budgetingMethod: \
                    Occurrences\n  timeWindow: [{duration: 30d, isRolling: true}]\n  objectives:\n"
        .to_owned();
    for _ in 0..65 {
        let metric = "{metricSource: {type: Prometheus, spec: {query: t_total}}}";
        let indicator = format!(
            "{{metadata: {{name: i}}, spec: {{ratioMetric: {{counter: true, good: {metric}, total: {metric}}}}}}}"
        );
        let _ = writeln!(text, "    - {{target: 0.9, indicator: {indicator}}}");
    }
    let found = of_code(&text, "N045");
    assert_eq!(
        found.first().map(|found| (found.line, found.message.as_str())),
        Some((9, "a composite has at most 64 objectives, not 65"))
    );
}

#[test]
fn names_have_a_limit_in_every_format() {
    let indicator = "{total: t, bad: b}";
    let native = |service: &str, name: &str| {
        format!(
            "version: nines/v1\nservice: {service}\nslos:\n  - {{name: {name}, objective: 99, window: 30d, indicator: {indicator}}}\n"
        )
    };
    let sloth = |name: &str| {
        format!(
            "version: prometheus/v1\nservice: shop\nslos:\n  - name: {name}\n    objective: 99\n    sli: {{raw: {{error_ratio_query: \
             'sum(rate(a[{{{{.window}}}}])) / sum(rate(b[{{{{.window}}}}]))'}}}}\n    alerting: {{name: A}}\n"
        )
    };
    let openslo = |name: &str| {
        format!(
            "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {name}}}\nspec:\n  service: shop\n  budgetingMethod: Occurrences\n"
        )
    };
    let pyrra = |name: &str| {
        format!(
            "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\nmetadata: {{name: {name}, namespace: x}}\nspec: {{}}\n"
        )
    };
    let (most, over) = ("n".repeat(253), "n".repeat(254));
    assert!(load(&native(&most, &most), "x.yaml").is_valid());
    for text in [
        native(&over, "a"),
        native("a", &over),
        sloth(&over),
        openslo(&over),
        pyrra(&over),
    ] {
        let found = of_code(&text, "N015");
        let message = found.first().map(|found| found.message.as_str()).unwrap_or_default();
        assert!(
            message.ends_with(" has 254 characters; a name has at most 253"),
            "{text}: {found:?}"
        );
    }
    for text in [native("a", &most), sloth(&most), openslo(&most), pyrra(&most)] {
        assert!(of_code(&text, "N015").is_empty(), "{text}");
    }
    let long = of_code(&native("a", &"n".repeat(3_000_000)), "N015");
    assert!(long.len() == 1 && long[0].message.len() < 100);
}
