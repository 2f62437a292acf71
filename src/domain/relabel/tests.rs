//! Rules as data: labels before, a rule, labels after.

use proptest::prelude::*;

use super::*;

const LABELS: [(&str, &str); 4] = [("a", "foo"), ("b", "bar"), ("c", "baz"), ("d1", "Q ux")];

fn rule(text: &str) -> Result<RelabelRule, RuleError> {
    let mut written = WrittenRule::default();
    for part in text.split_whitespace() {
        let (key, value) = part.split_once('=').unwrap();
        let value = value.replace("␣", " ").replace("∅", "");
        match key {
            "from" => written.source_labels = Some(value.split(',').map(ToOwned::to_owned).collect()),
            "sep" => written.separator = Some(value),
            "re" => written.regex = Some(value),
            "mod" => written.modulus = value.parse().ok(),
            "to" => written.target_label = Some(value),
            "with" => written.replacement = Some(value),
            "do" => {
                let action = RelabelAction::WORDS.iter().find(|(word, _)| *word == value);
                written.action = action.unwrap().1;
            }
            other => panic!("{other}"),
        }
    }
    RelabelRule::new(written)
}

fn after(text: &str) -> String {
    let rules: Vec<RelabelRule> = text.split(" | ").map(|text| rule(text).unwrap()).collect();
    relabel(LABELS.into_iter().collect(), &rules).map_or("dropped".to_owned(), |labels| {
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(",")
    })
}

#[test]
fn every_action_does_what_prometheus_documents() {
    let same = "a=foo,b=bar,c=baz,d1=Q ux";
    for (what, rules, expected) in [
        (
            "replace copies by default",
            "from=a to=x",
            "a=foo,b=bar,c=baz,d1=Q ux,x=foo",
        ),
        (
            "values are joined with ;",
            "from=a,b to=a",
            "a=foo;bar,b=bar,c=baz,d1=Q ux",
        ),
        (
            "or with another text",
            "from=a,b sep=∅ to=a",
            "a=foobar,b=bar,c=baz,d1=Q ux",
        ),
        (
            "a missing label is empty",
            "from=a,no,b to=a",
            "a=foo;;bar,b=bar,c=baz,d1=Q ux",
        ),
        (
            "without sources there is one text, empty",
            "to=a with=new",
            "a=new,b=bar,c=baz,d1=Q ux",
        ),
        ("no match, no change", "from=a re=fo to=b with=x", same),
        (
            "the pattern is anchored on all its branches",
            "from=a re=f|oo to=b with=x",
            same,
        ),
        (
            "groups",
            "from=a,b re=(.)(.*);(.*) to=c with=$3-${1}x-$2",
            "a=foo,b=bar,c=bar-fx-oo,d1=Q ux",
        ),
        (
            "a name is as long as it can be",
            "from=a re=(.*) to=c with=$1x",
            "a=foo,b=bar,d1=Q ux",
        ),
        (
            "named groups",
            "from=a re=(?P<n>.).* to=c with=${n}$n",
            "a=foo,b=bar,c=ff,d1=Q ux",
        ),
        (
            "a lone dollar and a double one",
            "from=a to=c with=$-$$1-${1-${}",
            "a=foo,b=bar,c=$-$1-${1-${},d1=Q ux",
        ),
        (
            "a zero in front makes a name",
            "from=a to=c with=$01",
            "a=foo,b=bar,d1=Q ux",
        ),
        (
            "everything is group 0",
            "from=a re=.o. to=c with=<$0>",
            "a=foo,b=bar,c=<foo>,d1=Q ux",
        ),
        (
            "an empty replacement removes",
            "from=a to=b with=∅",
            "a=foo,c=baz,d1=Q ux",
        ),
        (
            "a target with references",
            "from=a,b re=(.*);(.*) to=x_${1} with=$2",
            "a=foo,b=bar,c=baz,d1=Q ux,x_foo=bar",
        ),
        (
            "a target with a blank in its name",
            "from=d1 to=$1 with=x",
            "Q ux=x,a=foo,b=bar,c=baz,d1=Q ux",
        ),
        ("keep keeps", "from=a re=f.* do=keep", same),
        ("keep drops", "from=a re=f do=keep", "dropped"),
        ("drop keeps", "from=a re=o do=drop", same),
        ("drop drops", "from=no re=∅ do=drop", "dropped"),
        (
            "keepequal keeps",
            "from=a to=x | from=a to=x do=keepequal",
            "a=foo,b=bar,c=baz,d1=Q ux,x=foo",
        ),
        ("keepequal drops", "from=a to=b do=keepequal", "dropped"),
        ("dropequal keeps", "from=a to=b do=dropequal", same),
        (
            "dropequal drops; both missing are the same",
            "from=no to=none do=dropequal",
            "dropped",
        ),
        (
            "hashmod",
            "from=c to=h mod=1000 do=hashmod",
            "a=foo,b=bar,c=baz,d1=Q ux,h=976",
        ),
        (
            "hashmod of joined values",
            "from=a,b to=h mod=8 do=hashmod | re=[abcd].* do=labeldrop",
            "h=6",
        ),
        (
            "labelmap copies",
            "re=(.)1 with=m_$1 do=labelmap",
            "a=foo,b=bar,c=baz,d1=Q ux,m_d=Q ux",
        ),
        ("labelmap to the same name", "re=(.) do=labelmap", same),
        ("labeldrop", "re=[ab] do=labeldrop", "c=baz,d1=Q ux"),
        ("labelkeep", "re=[ab] do=labelkeep", "a=foo,b=bar"),
        ("lowercase", "from=d1 to=d1 do=lowercase", "a=foo,b=bar,c=baz,d1=q ux"),
        (
            "uppercase",
            "from=a,b to=d1 do=uppercase",
            "a=foo,b=bar,c=baz,d1=FOO;BAR",
        ),
        (
            "names may be any UTF-8",
            "from=a to=http.status | from=http.status to=größe-$1 re=(fo)o with=$1",
            "a=foo,b=bar,c=baz,d1=Q ux,größe-fo=fo,http.status=foo",
        ),
        (
            "a dollar sign of a name that no other action expands",
            "from=a to=$1 do=uppercase",
            "$1=FOO,a=foo,b=bar,c=baz,d1=Q ux",
        ),
        ("a name that comes to nothing", "from=a re=(x?)foo to=$1 with=y", same),
        (
            "one after the other",
            "from=a to=b | from=b to=c | re=d1 do=labeldrop",
            "a=foo,b=foo,c=foo",
        ),
        (
            "what is dropped stays so",
            "from=a re=foo do=drop | to=x with=y",
            "dropped",
        ),
    ] {
        assert_eq!(after(rules), expected, "{what}: {rules}");
    }
}

#[test]
fn case_is_changed_letter_by_letter() {
    let labels: Labels = [("a", "Straße İ")].into_iter().collect();
    let both = [
        rule("from=a to=u do=uppercase").unwrap(),
        rule("from=a to=l do=lowercase").unwrap(),
    ];
    let labels = relabel(labels, &both).unwrap();
    assert_eq!((labels.get("u"), labels.get("l")), ("STRAßE İ", "straße i"));
}

#[test]
fn what_prometheus_refuses_is_refused() {
    for (text, key, part) in [
        ("from=a", "target_label", "the replace action requires a `target_label`"),
        ("from=a,,b to=c", "source_labels", "\"\" is not a valid label name"),
        ("from=a to=b do=hashmod", "modulus", "requires a `modulus`"),
        ("from=a mod=0 to=b do=hashmod", "modulus", "requires a `modulus`"),
        ("from=a mod=3 do=hashmod", "target_label", "requires a `target_label`"),
        ("from=a to=b re=(", "regex", "no regular expression: unclosed group"),
        (
            "do=labelmap with=",
            "replacement",
            "invalid `replacement` for the labelmap action",
        ),
        (
            "from=a to=b with=x do=uppercase",
            "replacement",
            "cannot be set for the uppercase action",
        ),
        (
            "from=a to=b re=(.*) do=keepequal",
            "regex",
            "takes only `source_labels` and `target_label`",
        ),
        ("from=a to=b sep=, do=dropequal", "separator", "takes only"),
        ("from=a re=b do=labeldrop", "source_labels", "takes only `regex`"),
        ("to=a re=b do=labelkeep", "target_label", "takes only `regex`"),
        ("with=a re=b do=labelkeep", "replacement", "takes only `regex`"),
    ] {
        let error = rule(text).expect_err(text);
        assert_eq!(error.key, key, "{text}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
    for text in [
        "re=x do=labeldrop sep=;",
        "to=x_${1}_$2a with=x",
        "from=a to=b with=$1 do=lowercase",
        "from=a do=keep",
    ] {
        assert!(rule(text).is_ok(), "{text}");
    }
}

#[test]
fn rules_say_what_they_may_do() {
    for (text, renames, drops) in [
        ("from=a to=__name__", true, false),
        ("from=a to=$1", true, false),
        ("from=a to=b", false, false),
        ("from=__name__ re=go_.* do=drop", false, true),
        ("re=__.* do=labeldrop", true, false),
        ("re=pod do=labeldrop", false, false),
        ("re=pod do=labelkeep", true, false),
        ("re=pod|__name__ do=labelkeep", false, false),
        ("re=x_(.*) do=labelmap", true, false),
    ] {
        let rules: RelabelRules = [rule(text).unwrap()].into_iter().collect();
        assert_eq!((rules.may_rename(), rules.may_drop()), (renames, drops), "{text}");
    }
}

#[test]
fn a_series_is_seen_under_its_new_name() {
    let rules = |text| RelabelRules::from_iter([rule(text).unwrap()]);
    let seen = |text| {
        let seen = rules(text).apply_to_series("old_total", [("a", "b")].into_iter().collect());
        seen.map(|(metric, labels)| format!("{metric}{labels}"))
    };
    let renamed = seen("from=__name__ re=old_(.*) to=__name__ with=new_$1");
    assert_eq!(renamed.as_deref(), Some(r#"new_total{a="b"}"#));
    assert_eq!(seen("re=__name__ do=labeldrop").as_deref(), Some(r#"{a="b"}"#));
    assert_eq!(seen("from=__name__ re=old.* do=drop"), None);
}

proptest! {
    #[test]
    fn no_rule_and_no_labels_make_it_panic(
        action in 0..RelabelAction::WORDS.len(),
        source in prop::collection::vec("[a-c_]{1,2}", 0..3),
        pattern in "[a-c().*+?$^\\[\\]{}|0-9]{0,8}",
        texts in prop::collection::vec("[a-c$1-3{}_é]{0,6}", 2),
        modulus in 0_u64..3,
        labels in prop::collection::vec(("[a-c_é]{0,3}", "\\PC{0,6}"), 0..5),
    ) {
        let written = WrittenRule {
            source_labels: (!source.is_empty()).then_some(source),
            separator: None,
            regex: Some(pattern),
            modulus: Some(modulus),
            target_label: Some(texts[0].clone()).filter(|text| !text.is_empty()),
            replacement: Some(texts[1].clone()),
            action: RelabelAction::WORDS[action].1,
        };
        if let Ok(rule) = RelabelRule::new(written) {
            let labels: Labels = labels.into_iter().collect();
            let may_drop = rule.may_drop();
            prop_assert!(relabel(labels, &[rule]).is_some() || may_drop);
        }
    }
}
