//! The server that the flags name, as `nines.yml` will name it. Secrets go into the environment, never into the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::files::quoted;
use crate::domain::shown::{shown_url, without_secrets};
use crate::domain::time::{format_duration, parse_duration};
use crate::secret::Secret;
use crate::source::prometheus::settings::TIMEOUT;

/// The name of the server in the files.
pub(super) const NAME: &str = "main";

/// Headers that name a tenant, which is no secret. The values of all others stay out of the file.
const TENANTS: [&str; 4] = ["X-Scope-OrgID", "THANOS-TENANT", "AccountID", "ProjectID"];

/// Which server is asked, and as whom.
#[derive(Args, Clone, Debug)]
pub struct PrometheusArgs {
    /// The server: what stands before /api/v1/query, with its path
    #[arg(long, value_name = "URL", value_parser = plain)]
    pub prometheus_url: Secret,
    /// A header that is sent with every question, such as X-Scope-OrgID=team-a; may be given several times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    pub headers: Vec<(String, Secret)>,
    /// A file that holds a bearer token
    #[arg(long, value_name = "FILE", conflicts_with = "username")]
    pub bearer_token_file: Option<PathBuf>,
    /// The user of HTTP's basic authentication
    #[arg(long = "basic-auth.username", value_name = "USER", value_parser = plain_text, requires = "password_file")]
    pub username: Option<String>,
    /// A file that holds the password
    #[arg(long = "basic-auth.password-file", value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// A file with the certificates to trust instead of the system's
    #[arg(long = "tls.ca-file", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Do not verify the server's certificate
    #[arg(long = "tls.insecure-skip-verify")]
    pub insecure_skip_verify: bool,
    /// How long a question may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}

/// A server as the configuration names it.
#[derive(Debug)]
pub(super) struct Written {
    /// The lines of its entry in `prometheus_servers`.
    pub lines: String,
    /// For people.
    pub shown_url: String,
    /// The variables that the lines refer to, with what they are now.
    pub variables: Vec<(String, Secret)>,
}

impl PrometheusArgs {
    /// The entry of `nines.yml`; or which file cannot be read.
    pub(super) fn write(&self, folder: &Path) -> Result<Written, String> {
        let mut variables = Vec::new();
        let url = self.prometheus_url.expose();
        let mut lines = vec![format!("  - name: {NAME}\n")];
        if without_secrets(url) == url {
            lines.push(format!("    url: {}\n", quoted(url)));
        } else {
            lines.push("    # The URL holds what sounds like a secret, so it stays in the environment.\n".to_owned());
            lines.push("    url: '${NINES_PROMETHEUS_URL}'\n".to_owned());
            variables.push(("NINES_PROMETHEUS_URL".to_owned(), self.prometheus_url.clone()));
        }
        if !self.headers.is_empty() {
            lines.push(
                "    # Sent with every question. ${NAME} is taken from the environment.\n    headers:\n".to_owned(),
            );
        }
        for (name, value) in &self.headers {
            let is_shown = TENANTS.iter().any(|tenant| tenant.eq_ignore_ascii_case(name));
            let value = if is_shown || value.expose().starts_with("${") {
                value.expose().to_owned()
            } else {
                let variable = variable_of(name);
                variables.push((variable.clone(), value.clone()));
                format!("${{{variable}}}")
            };
            lines.push(format!("      {}: {}\n", quoted(name), quoted(&value)));
        }
        self.write_access(folder, &mut lines)?;
        if self.timeout != TIMEOUT {
            lines.push("    # How long a question may take.\n".to_owned());
            lines.push(format!("    timeout: {}\n", format_duration(self.timeout)));
        }
        Ok(Written {
            lines: lines.concat(),
            shown_url: shown_url(url),
            variables,
        })
    }

    fn write_access(&self, folder: &Path, lines: &mut Vec<String>) -> Result<(), String> {
        if let Some(file) = &self.bearer_token_file {
            let file = place("--bearer-token-file", file, folder)?;
            lines
                .push("    # The file is read again for every question, so that a new token is taken up.\n".to_owned());
            lines.push(format!("    authorization: {{credentials_file: {file}}}\n"));
        }
        if let (Some(username), Some(file)) = (&self.username, &self.password_file) {
            let file = place("--basic-auth.password-file", file, folder)?;
            lines.push(
                "    # The file is read again for every question, so that a new password is taken up.\n".to_owned(),
            );
            lines.push(format!(
                "    basic_auth: {{username: {}, password_file: {file}}}\n",
                quoted(username)
            ));
        }
        if self.ca_file.is_none() && !self.insecure_skip_verify {
            return Ok(());
        }
        lines.push("    tls_config:\n".to_owned());
        if let Some(file) = &self.ca_file {
            let file = place("--tls.ca-file", file, folder)?;
            lines.push("      # Whom to trust instead of the system's authorities.\n".to_owned());
            lines.push(format!("      ca_file: {file}\n"));
        }
        if self.insecure_skip_verify {
            lines.push(
                "      # Anybody may pretend to be this server: better name its authority as `ca_file`.\n".to_owned(),
            );
            lines.push("      insecure_skip_verify: true\n".to_owned());
        }
        Ok(())
    }
}

/// A file as a configuration in this folder names it: paths there are relative to the configuration.
fn place(flag: &str, file: &Path, folder: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {} of {flag}: {error}", file.display());
    File::open(file).map_err(unreadable)?;
    let written = if folder == Path::new(".") {
        file.to_owned()
    } else {
        std::path::absolute(file).map_err(unreadable)?
    };
    match written.to_str() {
        Some(text) if !text.contains(char::is_control) => Ok(quoted(text)),
        _ => Err(format!("the path of {flag} holds what no configuration can name")),
    }
}

/// `X-Api-Key` is taken from `NINES_HEADER_X_API_KEY`.
fn variable_of(header: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    format!("NINES_HEADER_{}", header.chars().map(fit).collect::<String>())
}

fn plain_text(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.contains(char::is_control) => Err("it holds a control character".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn plain(text: &str) -> Result<Secret, String> {
    plain_text(text).map(Secret::new)
}

fn header(text: &str) -> Result<(String, Secret), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((plain_text(name)?, plain(value)?))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| format!("not a duration: {error}"))
}
