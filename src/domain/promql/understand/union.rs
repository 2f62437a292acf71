//! One selector for what several select, where it is certain that no series is in two of them.

use std::collections::BTreeSet;

use super::same_matchers;
use crate::domain::matcher::{MatchOp, Matcher, Selector};

const NAME_LABEL: &str = "__name__";

/// The selector of exactly the series that these select; `None` where there is no such one, or a series might be in two
/// of them and be counted twice.
pub fn union(selectors: &[Selector]) -> Option<Selector> {
    match selectors {
        [] => None,
        [one] => Some(one.clone()),
        [first, rest @ ..] => {
            let metric = first.metric.as_deref()?;
            if rest.iter().all(|other| other.metric.as_deref() == Some(metric)) {
                return whole(selectors).or_else(|| of_values(selectors));
            }
            of_names(selectors)
        }
    }
}

/// Different metrics under the same conditions.
fn of_names(selectors: &[Selector]) -> Option<Selector> {
    let [first, rest @ ..] = selectors else {
        return None;
    };
    let is_same = rest.iter().all(|other| same_matchers(first, other));
    let names_a_name = first.matchers.iter().any(|matcher| matcher.name == NAME_LABEL);
    if !is_same || names_a_name {
        return None;
    }
    let names = selectors.iter().map(|selector| selector.metric.as_deref());
    let mut matchers = vec![one_of(NAME_LABEL, &names.collect::<Option<Vec<_>>>()?)?];
    matchers.extend(first.matchers.iter().cloned());
    Some(Selector { metric: None, matchers })
}

/// One metric whose series are told apart by the value of one label.
fn of_values(selectors: &[Selector]) -> Option<Selector> {
    let first = selectors.first()?;
    let differs = |matcher: &&Matcher| !selectors.iter().all(|other| other.matchers.contains(matcher));
    let mut differing = first.matchers.iter().filter(differs);
    let (label, None) = (&differing.next()?.name, differing.next()) else {
        return None;
    };
    let parts = selectors.iter().map(|selector| split(selector, label));
    let parts: Vec<(Selector, &str)> = parts.collect::<Option<_>>()?;
    let (others, _) = parts.first()?;
    if !parts.iter().all(|(other, _)| same_matchers(others, other)) {
        return None;
    }
    let mut union = others.clone();
    let values: Vec<&str> = parts.iter().map(|(_, value)| *value).collect();
    union.matchers.push(one_of(label, &values)?);
    Some(union)
}

/// The selector without its one condition on a label, and the value that this asks for.
fn split<'s>(selector: &'s Selector, label: &str) -> Option<(Selector, &'s str)> {
    let (on_label, others): (Vec<&Matcher>, Vec<&Matcher>) =
        selector.matchers.iter().partition(|matcher| matcher.name == label);
    let [
        Matcher {
            op: MatchOp::Equal,
            value,
            ..
        },
    ] = on_label.as_slice()
    else {
        return None;
    };
    let others = Selector {
        metric: selector.metric.clone(),
        matchers: others.into_iter().cloned().collect(),
    };
    Some((others, value))
}

/// A condition that holds for each of these values; `None` where one is there twice or empty.
fn one_of(label: &str, values: &[&str]) -> Option<Matcher> {
    let distinct: BTreeSet<&str> = values.iter().copied().collect();
    if distinct.len() < values.len() || distinct.contains("") {
        return None;
    }
    let alternatives: Vec<String> = distinct.into_iter().map(regex::escape).collect();
    Matcher::new(label, MatchOp::Regex, alternatives.join("|")).ok()
}

/// Two selectors of which one has what the other has not: `code=~"5.."` and `code!~"5.."` are all codes.
fn whole(selectors: &[Selector]) -> Option<Selector> {
    let [one, other] = selectors else {
        return None;
    };
    let only_in = |a: &Selector, b: &Selector| -> Vec<Matcher> {
        let matchers = a.matchers.iter();
        matchers
            .filter(|matcher| !b.matchers.contains(matcher))
            .cloned()
            .collect()
    };
    let (of_one, of_other) = (only_in(one, other), only_in(other, one));
    let ([a], [b]) = (of_one.as_slice(), of_other.as_slice()) else {
        return None;
    };
    let is_complement = matches!(
        (a.op, b.op),
        (MatchOp::Equal, MatchOp::NotEqual)
            | (MatchOp::NotEqual, MatchOp::Equal)
            | (MatchOp::Regex, MatchOp::NotRegex)
            | (MatchOp::NotRegex, MatchOp::Regex)
    );
    if !is_complement || a.name != b.name || a.value != b.value {
        return None;
    }
    let matchers = one.matchers.iter().filter(|matcher| *matcher != a);
    Some(Selector {
        metric: one.metric.clone(),
        matchers: matchers.cloned().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::union;
    use crate::domain::selector_parser::parse_selector;

    #[test]
    fn several_selectors_are_one_where_no_series_is_in_two() {
        for (selectors, expected) in [
            (vec!["a"], Some("a")),
            (vec!["b", "a"], Some(r#"{__name__=~"a|b"}"#)),
            (
                vec![r#"a{x="1",y="2"}"#, r#"b{y="2",x="1"}"#],
                Some(r#"{__name__=~"a|b",x="1",y="2"}"#),
            ),
            (
                vec![r#"a{c="2"}"#, r#"a{c="1"}"#, r#"a{c="3"}"#],
                Some(r#"a{c=~"1|2|3"}"#),
            ),
            (
                vec![r#"a{c="1.5",x="y"}"#, r#"a{x="y",c="2"}"#],
                Some(r#"a{x="y",c=~"1\\.5|2"}"#),
            ),
            (vec![r#"a{c=~"5.."}"#, r#"a{c!~"5.."}"#], Some("a")),
            (vec![r#"a{c!="1",x="y"}"#, r#"a{x="y",c="1"}"#], Some(r#"a{x="y"}"#)),
            // A series may be in both, or the conditions differ in more than one label.
            (vec!["a", "a"], None),
            (vec!["a", r#"a{c="1"}"#], None),
            (vec![r#"a{c="1"}"#, r#"a{c="1"}"#], None),
            (vec![r#"a{c=~"1.."}"#, r#"a{c="2"}"#], None),
            (vec![r#"a{c=~"1.."}"#, r#"a{c!~"2.."}"#], None),
            (vec![r#"a{c="1",x="1"}"#, r#"a{c="2",x="2"}"#], None),
            (vec![r#"a{c="1"}"#, r#"b{c="2"}"#], None),
            (vec![r#"a{c=""}"#, r#"a{c="1"}"#], None),
            (vec![r#"a{c="1",c!="3"}"#, r#"a{c="2",c!="3"}"#], None),
            (vec![r#"{c="1"}"#, r#"{c="2"}"#], None),
            (vec!["a", "b", "a"], None),
        ] {
            let parsed: Vec<_> = selectors.iter().map(|text| parse_selector(text).expect(text)).collect();
            let found = union(&parsed).map(|selector| selector.to_string());
            assert_eq!(found.as_deref(), expected, "{selectors:?}");
        }
    }
}
