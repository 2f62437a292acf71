//! What people are told about slips, whatever the format: one message at the right place, with its mend.

use super::diagnostic::Diagnostic;
use super::{Options, load, load_all};

const SLOTH: &str = "version: prometheus/v1\nservice: shop\nslos:\n  - name: ab\n    objective: 99.9\n    sli: {raw: \
                     {error_ratio_query: 'sum(rate(b[{{.window}}])) / sum(rate(t[{{.window}}]))'}}\n    alerting: {name: A}\n";
const NATIVE: &str = "version: nines/v1\nservice: shop\nslos:\n  - name: a\n    objective: 99.9\n    window: 30d\n    \
                      indicator: {total: t, bad: b}\n";

/// `N004 5:3 message (hint)` of each.
fn told(text: &str) -> Vec<String> {
    let line = |found: &Diagnostic| {
        let hint = found.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{} {}:{} {}{hint}", found.code, found.line, found.column, found.message)
    };
    load(text, "f.yaml").diagnostics.iter().map(line).collect()
}

/// So many keys that are not known.
fn keys(word: &str, number: usize) -> String {
    (0..number).fold(String::new(), |text, n| text + word + &n.to_string() + ": x\n")
}

/// Files, and the one thing that is said of each beside notes.
fn check(cases: &[(String, &str)]) {
    for (text, expected) in cases {
        let all = told(text);
        let kept: Vec<_> = all.iter().filter(|line| !line.starts_with('I')).collect();
        assert_eq!(kept, [expected], "{text}");
    }
}

#[test]
fn a_slip_is_told_once_with_its_mend() {
    let native = |old: &str, new: &str| NATIVE.replacen(old, new, 1);
    check(&[
        (
            "version: nines/v1\nservice: shop\nslos:\n  fast: {objective: 99}\n".to_owned(),
            "N006 4:3 `slos` must be a list, not a map (begin each SLO with `- name: `: `- name: fast`)",
        ),
        (
            native("30d", "30s"),
            "N013 6:13 `window` is 30s; it must be whole minutes, at least 1m and at most ten years",
        ),
        (
            native("30d", "100000h"),
            "N013 6:13 `window` is 100000h; it must be whole minutes, at least 1m and at most ten years",
        ),
        (
            "version: nines/v1\nservice: shop\nslos:\n  - a\n".to_owned(),
            "N006 4:5 each item of `slos` is a map, not a single value (it begins with `- name: availability`; its \
             other keys stand below `name`)",
        ),
        (
            native(
                "99.9\n",
                "99.9\n    alerting: {burn: [{severity: critical, long: 1h, short: 5m, factor: 9}]}\n",
            ),
            "N024 6:34 `severity` is one of page, ticket, not \"critical\" (`page` wakes somebody, `ticket` waits for \
             the morning)",
        ),
        (
            native("99.9", "0.999"),
            "L019 5:16 objective 0.999 is 0.999% of all events; objectives are percentages (write `99.9` if that is \
             meant)",
        ),
    ]);
}

#[test]
fn a_wrong_value_is_told_once_with_its_mend() {
    let native = |old: &str, new: &str| NATIVE.replacen(old, new, 1);
    let spaced = "\u{a0}objective";
    check(&[
        (
            native("total: t", "total: 't[5m]'"),
            "N014 7:26 `total` is no selector: this is PromQL that goes beyond a selector; here only a metric with its \
             matchers is possible (leave the range out, `t`: events are counted over every window; or write a query, \
             `sum(rate(t[{{.window}}]))`)",
        ),
        (
            native("objective", spaced),
            "N004 5:5 unknown key \"\u{a0}objective\" (it holds a no-break space, which looks like a space; write \
             `objective` and indent with spaces)",
        ),
        (
            native("b}\n", &format!("b}}\n    public: \"{}\\nz\"\n", "y".repeat(59))),
            &format!(
                "N006 8:13 `public` must be true or false, not \"{}\\n…\"",
                "y".repeat(59)
            ),
        ),
        (
            native("99.9", "99,9%"),
            "N012 5:16 objective 99,9%: not a decimal number (write the percentage without %: `99.9`)",
        ),
        (
            native("30d", "30 days"),
            "N013 6:13 `window` is not a duration: \"30 days\" (the units are y, w, d, h, m, s and ms; write for example \
             30d, 1h30m or 250ms) (write `30d`)",
        ),
        (
            native("99.9\n", "99.9\n    public: yes\n"),
            "N006 6:13 `public` must be true or false, not \"yes\" (write `true`)",
        ),
        (
            native("name: a", "name: the shop"),
            "N015 4:11 \"the shop\" is no name; letters, digits, _, . and - are possible, a letter or digit first (write \
             `the-shop`; a longer text fits into `description`)",
        ),
    ]);
}

#[test]
fn a_slip_in_the_formats_of_others_is_told_once() {
    let sloth = |old: &str, new: &str| SLOTH.replacen(old, new, 1);
    check(&[
        (
            sloth("objective", "objectve"),
            "N005 5:5 `objective` is missing; it is written \"objectve\" (did you mean `objective`?)",
        ),
        (
            sloth("sli:", "descripton: x\n    sli:"),
            "L008 6:5 Sloth ignores the key \"descripton\", so it has no effect (did you mean `description`?)",
        ),
    ]);
}

#[test]
fn what_is_beyond_the_limit_is_counted() {
    let errors = told(&format!("{NATIVE}{}", keys("what_is_this_", 250)));
    assert_eq!(errors.len(), 201);
    assert_eq!(
        errors[200],
        "N047 257:1 and 50 more errors, not listed here (mend those above, then check again)"
    );
    // Labels whose names Prometheus does not know are not carried as they are, and each is a note.
    let labels = keys("    team/x", 1_201).replace('\n', "\n  ");
    let notes = told(&SLOTH.replacen("slos:", &format!("labels:\n  {}\nslos:", labels.trim_end()), 1));
    let lost: Vec<_> = notes.iter().filter(|line| line.starts_with("I002")).collect();
    assert!(lost.len() >= 999, "{}", lost.len());
    assert!(
        notes
            .last()
            .is_some_and(|last| last.contains("I005") && last.contains(" more notes, not listed here"))
    );
}

#[test]
fn strictness_does_not_lift_the_limit() {
    let text = SLOTH.to_owned() + &keys("what_is_this_", 300);
    let strict = Options {
        strict: true,
        ..Options::default()
    };
    let set = load_all(&[("f.yaml".to_owned(), text)], &strict);
    let errors = set.diagnostics().filter(|found| found.is_error()).count();
    assert_eq!((errors, set.slos().count()), (201, 0));
}
