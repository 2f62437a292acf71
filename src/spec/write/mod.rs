//! Writers: SLOs as text, in the formats that nines writes.

use crate::domain::slo::Slo;

/// What a writer made of some SLOs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// What the format has no words for, one sentence each.
    pub losses: Vec<String>,
}

/// Writes SLOs in nines's own format, one document for each service.
pub fn native(slos: &[Slo]) -> Written {
    let mut text = String::new();
    let mut service = None;
    for slo in slos {
        if service != Some(&slo.id.service) {
            let separator = if service.is_some() { "---\n" } else { "" };
            text += &format!("{separator}version: nines/v1\nservice: {}\nslos:\n", slo.id.service);
            service = Some(&slo.id.service);
        }
        text.extend(slo.source_text.lines().map(|line| format!("  {line}\n")));
    }
    Written {
        text,
        losses: Vec::new(),
    }
}

/// Writes SLOs as OpenSLO v1, one document for each SLO.
pub fn openslo(slos: &[Slo]) -> Written {
    let documents: Vec<String> = slos
        .iter()
        .map(|slo| {
            format!(
                "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: {}}}\nspec: {{service: {}}}\n",
                slo.id.name, slo.id.service
            )
        })
        .collect();
    Written {
        text: documents.join("---\n"),
        losses: slos
            .iter()
            .filter(|slo| slo.public)
            .map(|slo| format!("{}: `public` has no counterpart", slo.id))
            .collect(),
    }
}
