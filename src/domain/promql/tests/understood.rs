//! Which queries are understood, and as what.

use super::parse;
use crate::domain::indicator::{CompareOp, IndicatorKind, RatioPart};
use crate::domain::promql::{Known, Understood, result_groups, understand_ratio, understand_raw, understand_threshold};

/// What was understood as a text: `bad b of t by x`, `latency h 0.3`, `gauge up gte 1`; or why not.
fn shown(understood: Result<Understood, impl std::fmt::Display>) -> String {
    let Understood { kind, group_by } = match understood {
        Ok(understood) => understood,
        Err(why) => return format!("no: {why}"),
    };
    let what = match kind {
        IndicatorKind::Ratio { total, part, part_is } => format!("{part_is:?} {part} of {total}"),
        IndicatorKind::Latency { histogram, written, .. } => format!("latency {histogram} {written}"),
        IndicatorKind::Gauge { gauge, op, value } => format!("gauge {gauge} {} {value}", op.word()),
        other => format!("{other:?}"),
    };
    if group_by.is_empty() {
        what
    } else {
        format!("{what} by {}", group_by.join(","))
    }
}

fn ratio(total: &str, part: &str, part_is: RatioPart) -> String {
    let total = parse(total).expect(total);
    let part = parse(part).expect(part);
    shown(understand_ratio(&total, &part, part_is, Known::Nothing))
}

#[test]
fn sums_of_counters_are_ratios() {
    for (total, part, expected) in [
        ("sum(rate(t[5m]))", "sum(rate(b{c=\"5\"}[5m]))", "Bad b{c=\"5\"} of t"),
        ("sum(rate(t[{{.window}}]))", "sum(rate(b[{{ .window }}]))", "Bad b of t"),
        (
            "(sum(increase(t[5m])))",
            "sum(increase(b[5m])) or vector(0)",
            "Bad b of t",
        ),
        ("sum(irate(t[5m]))", "sum(irate(b[5m]))", "Bad b of t"),
        ("rate(t[5m])", "rate(b[5m])", "Bad b of t"),
        ("t", "b", "Bad b of t"),
        (
            "sum by (y,x) (rate(t[5m]))",
            "sum(rate(b[5m])) by (x, y)",
            "Bad b of t by x,y",
        ),
        ("sum(sum by (x) (rate(t[5m])))", "sum(rate(b[5m]))", "Bad b of t"),
        ("sum(rate(t[5m]))", "sum(rate(b[5m])) or on() vector(0)", "Bad b of t"),
        (
            "sum(rate(t[5m]))",
            "sum(rate(b[5m])) or 0 * sum(rate(t[5m]))",
            "Bad b of t",
        ),
        (
            "sum(rate(t[5m]))",
            "(sum(rate(b[5m])) or sum(rate(t[5m])) * 0)",
            "Bad b of t",
        ),
        ("sum(rate(t[5m])) > 0", "sum(rate(b[5m]))", "Bad b of t"),
        ("clamp_min(sum(rate(t[5m])), 1e-9)", "sum(rate(b[5m]))", "Bad b of t"),
        (
            "sum(rate(t[5m]))",
            "clamp_min(sum(rate(t[5m])) - sum(rate(g[5m])), 0)",
            "Good g of t",
        ),
        ("sum(rate(t[5m]))", "sum(rate(t[5m])) - sum(rate(g[5m]))", "Good g of t"),
        ("sum(t_total)", "sum(b_total)", "Bad b_total of t_total"),
        (
            "sum(rate(ok[5m])) + sum(rate(bad[5m]))",
            "sum(rate(bad[5m]))",
            "Bad bad of {__name__=~\"bad|ok\"}",
        ),
        (
            "sum by (x) (rate(r{c=\"1\"}[5m])) + sum by (x) (rate(r{c=\"2\"}[5m])) + sum by (x) (rate(r{c=\"3\"}[5m]))",
            "sum by (x) (rate(r{c=\"2\"}[5m])) + sum by (x) (rate(r{c=\"3\"}[5m]))",
            "Bad r{c=~\"2|3\"} of r{c=~\"1|2|3\"} by x",
        ),
        (
            "sum(rate(a[5m])) + sum(rate(b[5m]))",
            "sum(rate(b[5m])) + sum(rate(a[5m])) - sum(rate(g[5m])) - sum(rate(h[5m]))",
            "Good {__name__=~\"g|h\"} of {__name__=~\"a|b\"}",
        ),
        (
            "sum(a_total) + sum(b_total)",
            "sum(b_total)",
            "Bad b_total of {__name__=~\"a_total|b_total\"}",
        ),
    ] {
        assert_eq!(ratio(total, part, RatioPart::Bad), expected, "{part} of {total}");
    }
}

#[test]
fn parts_of_a_histogram_are_a_latency() {
    for (total, part, part_is, expected) in [
        (
            "sum(rate(h_count[5m]))",
            "sum(rate(h_bucket{le=\"0.3\"}[5m]))",
            RatioPart::Good,
            "latency h 0.3",
        ),
        (
            "sum(rate(h_count{a=\"b\"}[5m]))",
            "sum(rate(h_count{a=\"b\"}[5m])) - sum(rate(h_bucket{le=\"1\",a=\"b\"}[5m]))",
            RatioPart::Bad,
            "latency h{a=\"b\"} 1",
        ),
        (
            "sum(rate(h_bucket{le=\"+Inf\"}[5m]))",
            "sum(rate(h_count[5m])) - sum(rate(h_bucket{le=\"1\"}[5m]))",
            RatioPart::Bad,
            "latency h 1",
        ),
        (
            "sum(rate(h_count[5m]))",
            "sum(rate(h_bucket{le=~\"1|1\\\\.0\"}[5m]))",
            RatioPart::Good,
            "latency h 1",
        ),
        (
            "sum(rate(h_count{a=\"b\"}[5m]))",
            "sum(rate(h_bucket{le=\"1\"}[5m]))",
            RatioPart::Good,
            "Good h_bucket{le=\"1\"} of h_count{a=\"b\"}",
        ),
        ("h_count", "h_bucket{le=\"0.3\"}", RatioPart::Good, "latency h 0.3"),
    ] {
        assert_eq!(ratio(total, part, part_is), expected, "{part} of {total}");
    }
}

#[test]
fn what_is_not_certain_is_not_understood() {
    for (total, part, why) in [
        ("sum(rate(t[5m]))", "sum(rate(b[1h]))", "different ranges"),
        (
            "sum(rate(t[5m]))",
            "sum(increase(b[5m]))",
            "different ranges or functions",
        ),
        ("sum by (x) (rate(t[5m]))", "sum(rate(b[5m]))", "different labels"),
        ("sum(rate(t[5m]))", "rate(b[5m])", "different labels"),
        (
            "sum without (x) (rate(t[5m]))",
            "sum without (x) (rate(b[5m]))",
            "without",
        ),
        ("sum(rate(t[5m]))", "sum(rate(b[5m])) > 0", "> 0"),
        ("sum(rate(t[5m]))", "sum(rate(b[5m])) > 3", "`>`"),
        ("sum(rate(t[5m]))", "sum(rate(b[5m])) or vector(1)", "`or`"),
        ("sum(rate(t[5m]))", "clamp_min(sum(rate(b[5m])), 1)", "clamp_min"),
        ("sum(rate(t[5m]))", "max(rate(b[5m]))", "`max`"),
        ("sum(rate(t[5m]))", "count(rate(b[5m]))", "`count`"),
        ("sum(rate(t[5m]))", "sum(rate(b[5m] offset 5m))", "offset"),
        (
            "sum(rate(t[5m]))",
            "sum(label_replace(rate(b[5m]),\"a\",\"b\",\"c\",\"d\"))",
            "`label_replace`",
        ),
        ("sum(rate(t[5m]))", "histogram_quantile(0.9, rate(b[5m])) > 0.2", "`>`"),
        (
            "sum(rate(a[5m])) + sum(rate(a{c=~\"5..\"}[5m]))",
            "sum(rate(b[5m]))",
            "several selectors",
        ),
        (
            "sum(rate(a[5m])) + sum(rate(b[1h]))",
            "sum(rate(b[5m]))",
            "different kinds",
        ),
        (
            "sum(rate(t[5m]))",
            "sum(rate(t[5m])) - sum(rate(g[5m])) - sum(increase(h[5m]))",
            "no single selector",
        ),
        (
            "sum(rate(t[5m]))",
            "sum(rate(x[5m])) - sum(rate(y[5m]))",
            "no single selector",
        ),
        (
            "sum(rate(t[5m]))",
            "sum(rate(t[5m])) - on(x) sum(rate(g[5m]))",
            "belong together",
        ),
        ("rate(t[5m])", "rate(t[5m]) - rate(g[5m])", "belong together"),
        ("sum by (le) (rate(t[5m]))", "sum by (le) (rate(b[5m]))", "`le`"),
        (
            "sum by (z) (sum by (x) (rate(t[5m])))",
            "sum by (z) (rate(b[5m]))",
            "no label `z`",
        ),
        ("sum(t)", "sum(b)", "no counter"),
        ("sum(rate(t[5m])) * 60", "sum(rate(b[5m])) * 60", "`*`"),
        ("sum(rate(t[1h:5m]))", "sum(rate(b[1h:5m]))", "subquery"),
        (
            "sum(t:rate{{.window}})",
            "sum(b:rate{{.window}})",
            "recorded for each window",
        ),
        ("1", "sum(rate(b[5m]))", "constant"),
    ] {
        let found = ratio(total, part, RatioPart::Bad);
        assert!(
            found.starts_with("no: ") && found.contains(why),
            "{part} of {total}: {found}"
        );
    }
}

#[test]
fn shares_are_taken_apart() {
    for (query, ratio_of, expected) in [
        ("sum(rate(b[5m])) / sum(rate(t[5m]))", RatioPart::Bad, "Bad b of t"),
        ("1 - sum(rate(g[5m])) / sum(rate(t[5m]))", RatioPart::Bad, "Good g of t"),
        (
            "1 - (sum(rate(g[5m])) / sum(rate(t[5m])))",
            RatioPart::Bad,
            "Good g of t",
        ),
        (
            "(sum(rate(t[5m])) - sum(rate(g[5m]))) / sum(rate(t[5m]))",
            RatioPart::Bad,
            "Good g of t",
        ),
        (
            "1 - ((sum(rate(b[5m]))) / (sum(rate(t[5m]))))",
            RatioPart::Good,
            "Bad b of t",
        ),
        (
            "(sum(rate(b[5m])) / sum(rate(t[5m]))) or vector(0)",
            RatioPart::Bad,
            "Bad b of t",
        ),
        (
            "sum by (x) (rate(b[5m])) / on(x) sum by (x) (rate(t[5m]))",
            RatioPart::Bad,
            "Bad b of t by x",
        ),
        (
            "1 - sum(rate(h_bucket{le=\"0.3\"}[5m])) / sum(rate(h_count[5m]))",
            RatioPart::Bad,
            "latency h 0.3",
        ),
        ("avg_over_time(up[5m])", RatioPart::Good, "gauge up gte 1"),
        (
            "1 - avg_over_time(probe_success{job=\"x\"}[5m])",
            RatioPart::Bad,
            "gauge probe_success{job=\"x\"} gte 1",
        ),
        (
            "1 - avg by (job) (avg_over_time(up[5m]))",
            RatioPart::Bad,
            "gauge up gte 1 by job",
        ),
        (
            "sum_over_time(up[5m]) / count_over_time(up[5m])",
            RatioPart::Good,
            "gauge up gte 1",
        ),
        (
            "(sum(count_over_time(up[5m])) - sum(sum_over_time(up[5m]))) / sum(count_over_time(up[5m]))",
            RatioPart::Bad,
            "gauge up gte 1",
        ),
    ] {
        let found = shown(understand_raw(&parse(query).expect(query), ratio_of));
        assert_eq!(found, expected, "{query}");
    }
    for (query, why) in [
        ("sum(rate(b[5m])) / sum(rate(t[5m])) or vector(1)", "`or`"),
        ("sum(rate(b[5m])) / on(x) group_left sum(rate(t[5m]))", "group_left"),
        ("sum(rate(b[5m])) / ignoring(x) sum(rate(t[5m]))", "ignoring"),
        ("avg_over_time(up[5m])", "success as bad"),
        ("1 - avg_over_time(temperature[5m])", "0 or 1"),
        ("sum(avg_over_time(up[5m]))", "no division"),
        ("100 * sum(rate(b[5m])) / sum(rate(t[5m]))", "`*`"),
        ("errors:ratio", "no division"),
    ] {
        let found = shown(understand_raw(&parse(query).expect(query), RatioPart::Bad));
        assert!(found.starts_with("no: ") && found.contains(why), "{query}: {found}");
    }
}

#[test]
fn only_a_gauge_itself_is_compared() {
    let threshold = |query: &str| shown(understand_threshold(&parse(query).expect(query), CompareOp::Lt, 5.0));
    assert_eq!(threshold("(queue{a=\"b\"})"), "gauge queue{a=\"b\"} lt 5");
    for query in ["max(queue)", "queue offset 5m", "queue or vector(0)", "rate(x[5m])"] {
        assert!(threshold(query).starts_with("no: "), "{query}");
    }
}

#[test]
fn who_knows_that_they_are_counters_may_sum_them() {
    let [total, part] = ["sum(all)", "sum(bad)"].map(|text| parse(text).expect(text));
    for (known, expected) in [
        (Known::Counters, "Bad bad of all"),
        (Known::Nothing, "no: it divides what is no counter"),
    ] {
        assert_eq!(shown(understand_ratio(&total, &part, RatioPart::Bad, known)), expected);
    }
}

#[test]
fn groups_are_seen_where_queries_are_not_understood() {
    for (queries, expected) in [
        (vec!["max by (b, a) (x)", "count(y) by (a,b)"], Ok("a,b")),
        (vec!["max by (a) (x)", "max by (b) (x)"], Ok("")),
        (vec!["max by (a) (x)", "max(x)"], Ok("")),
        (vec!["max by (a) (x)", "x"], Ok("")),
        (vec!["max without (a) (x)"], Ok("")),
        (vec!["topk by (a) (3, x)"], Ok("")),
        (vec!["100 * (max by (a) (x) / sum by (a) (y))"], Ok("a")),
        (vec!["max by (a) (x) / on (a) sum by (a) (y)"], Ok("a")),
        (vec!["max by (a) (x) / on (b) sum by (a) (y)"], Ok("")),
        (vec!["max by (a, b) (x) / on (a) group_left sum by (a) (y)"], Ok("a,b")),
        (vec!["max by (a) (x) / on (a) group_left (c) sum by (a, c) (y)"], Ok("")),
        (vec!["max by (a) (x) > bool 3 or vector(0)"], Ok("a")),
        (vec!["max by (a) (x) or max by (b) (y)"], Ok("")),
        (vec!["histogram_quantile(0.9, sum by (le, a) (rate(h[5m])))"], Ok("a")),
        (vec!["avg_over_time((max by (a) (x) < bool 3)[1h:])"], Ok("a")),
        (vec!["clamp_max(-max by (a) (x), 1)"], Ok("a")),
        (
            vec!["label_replace(max by (a) (x), \"b\", \"c\", \"a\", \".*\")"],
            Ok(""),
        ),
        (vec!["1", "2"], Ok("")),
        (vec!["max by (service) (x)"], Ok("service")),
        (vec!["max by (le) (x)"], Err("le")),
        (
            vec!["max by (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p) (x)"],
            Ok("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p"),
        ),
        (vec!["max by (a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q) (x)"], Err("16")),
    ] {
        let parsed: Vec<_> = queries.iter().map(|text| parse(text).expect(text)).collect();
        let found = result_groups(&parsed.iter().collect::<Vec<_>>());
        match expected {
            Ok(labels) => assert_eq!(found.expect(labels).join(","), labels, "{queries:?}"),
            Err(why) => assert!(found.is_err_and(|error| error.to_string().contains(why)), "{queries:?}"),
        }
    }
}
