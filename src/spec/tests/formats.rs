//! Which format a document is in, and what is said where nines reads none.

use crate::spec::detect::DocumentKind;
use crate::spec::load;

#[test]
fn formats_are_told_apart_by_their_markers() {
    for (text, kind) in [
        ("version: nines/v1\n", DocumentKind::Native),
        ("apiVersion: openslo/v1\nkind: SLO\n", DocumentKind::OpenSloV1),
        ("apiVersion: openslo.com/v1\nkind: SLO\n", DocumentKind::OpenSloV1),
        ("apiVersion: openslo/v1alpha\nkind: SLO\n", DocumentKind::OpenSloV1Alpha),
        (
            "- apiVersion: openslo.com/v2alpha\n  kind: SLO\n",
            DocumentKind::OpenSloV2Alpha,
        ),
        ("version: 'prometheus/v1'\nservice: x\n", DocumentKind::Sloth),
        (
            "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\n",
            DocumentKind::SlothResource,
        ),
        (
            "apiVersion: sloth.slok.dev/v1\nkind: AlertWindows\n",
            DocumentKind::AlertWindows,
        ),
        ("apiVersion: pyrra.dev/v1alpha1\n", DocumentKind::Pyrra),
        ("apiVersion: sre.google.com/v2\n", DocumentKind::SloGenerator),
        ("global: {}\n", DocumentKind::Config),
        ("groups: [{name: x, rules: []}]\n", DocumentKind::PrometheusRules),
        ("apiVersion: v1\nkind: Pod\n", DocumentKind::OtherObject),
        ("apiVersion: openslo/v9\nkind: SLO\n", DocumentKind::UnknownVersion),
        ("version: prometheus/v2\n", DocumentKind::UnknownVersion),
        ("services: {web: {}}\n", DocumentKind::Unknown),
        (
            "apiVersion: v1alpha1\nkind: ServiceLevelObjective\n",
            DocumentKind::Pyrra,
        ),
        ("apiVersion: v2\nname: x\nversion: 0.1.0\n", DocumentKind::HelmChart),
        ("resources: [a.yaml]\nnamespace: x\n", DocumentKind::Kustomize),
        ("namespace: x\nimages: []\n", DocumentKind::Unknown),
        ("resources: [a.yaml]\nslos: []\n", DocumentKind::Unknown),
        ("- {op: remove, path: /spec/slos/0}\n", DocumentKind::Kustomize),
        ("- {op: gt, path: /x}\n", DocumentKind::Unknown),
        (
            "apiVersion: openslo/v1\nkind: SLO\n$patch: delete\n",
            DocumentKind::Kustomize,
        ),
        (
            "version: nines/v1\nservice: '{{ .Values.x }}'\n",
            DocumentKind::HelmTemplate,
        ),
        ("version: nines/v1\nservice: '{{ .Value }}'\n", DocumentKind::Native),
        (
            "apiVersion: v1\nkind: Pod\nspec: '{{ .Values.x }}'\n",
            DocumentKind::OtherObject,
        ),
    ] {
        assert_eq!(load(text, "f.yaml").kind, kind, "{text}");
    }
}

#[test]
fn what_is_no_slo_is_told_or_skipped() {
    for (text, codes) in [
        ("global: {}\n", "N019"),
        ("services: {web: {}}\n", "N019"),
        ("apiVersion: openslo/v9\nkind: SLO\n", "N037"),
        ("apiVersion: v1\nkind: Pod\n", "I003"),
        ("apiVersion: foo\nkind: Service\n", "N019"),
        ("apiVersion: example.org/v1\nkind: SLO\n", "N019"),
        ("groups: [{name: x, rules: []}]\n", "I003"),
        ("{{- if .Values.slo }}\nversion: prometheus/v1\n{{- end }}\n", "I003"),
    ] {
        let loaded = load(text, "f.yaml");
        let found: Vec<_> = loaded.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(
            (found, loaded.is_valid()),
            (vec![codes], codes.starts_with('I')),
            "{text}"
        );
    }
}

#[test]
fn what_is_nearly_a_format_is_told_which_formats_there_are() {
    for (text, code, words) in [
        (
            "apiVersion: prometheus/v1\nservice: x\n",
            "N037",
            "write `version: prometheus/v1`",
        ),
        (
            "apiVersion: n9/v1alpha\nkind: SLO\n",
            "N019",
            "`apiVersion:` openslo/v1, ",
        ),
        (
            "apiVersion: cloud.google.com/v1\nkind: ServiceLevelObjective\n",
            "N019",
            "sloth.slok.dev/v1",
        ),
        (
            "apiVersion: openslo.openslo/v1\nkind: SLO\n",
            "N019",
            "nines/v1 and prometheus/v1 (Sloth)",
        ),
        (
            "apiVersion: pyra.dev/v1alpha1\nkind: ServiceLevelObjective\n",
            "N019",
            "did you mean `pyrra.dev/v1alpha1`?",
        ),
        (
            "service: x\nslos: [{name: aa, sli: {raw: {error_ratio_query: a}}}]\n",
            "N005",
            "`version: prometheus/v1`",
        ),
        (
            "service: x\nslos: [{name: aa, indicator: {total: a}}]\n",
            "N005",
            "`version: nines/v1`",
        ),
    ] {
        let loaded = load(text, "f.yaml");
        let found = &loaded.diagnostics[0];
        let hint = found.hint.as_deref().unwrap_or_default();
        assert_eq!(found.code, code, "{text}");
        assert!(hint.contains(words), "{text}: {hint}");
    }
}
