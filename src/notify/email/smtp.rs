//! The conversation with a mail server, step by step, because what a refusal means depends on the step.

use std::io;

use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, client};

use crate::domain::egress::Origin;
use crate::egress::{Egress, Refused};
use crate::notify::credential;
use crate::notify::settings::{EmailSettings, SecretRef};

/// The port on which TLS begins with the first byte. Source: RFC 8314.
const IMPLICIT_TLS_PORT: u16 = 465;
/// How much of a server's reply is shown to people.
const LONGEST_REPLY: usize = 200;

/// Why a mail was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// Worth another try.
    Transient { reason: String, detail: String },
    /// Pointless to try again.
    Permanent { reason: String, detail: String },
    /// It could not even be written.
    Unsendable(String),
}

/// What became of a mail that the server took for at least one recipient.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Those who have it.
    pub(super) accepted: Vec<String>,
    /// Those who will never get it, and why.
    pub(super) refused: Vec<String>,
    /// Somebody is to get it later, and why.
    pub(super) postponed: Option<String>,
}

/// A mail server and how to speak to it.
pub(super) struct Server {
    host: String,
    port: u16,
    hello: ClientId,
    auth: Option<(String, SecretRef)>,
    require_tls: bool,
    ca_file: Option<std::path::PathBuf>,
    insecure_skip_verify: bool,
    egress: Egress,
}

impl Server {
    /// Checks what can be checked without speaking to it.
    pub(super) fn new(settings: &EmailSettings, egress: &Egress) -> Result<Self, String> {
        let hello = match &settings.hello {
            None => ClientId::default(),
            Some(name) if !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic()) => {
                ClientId::Domain(name.clone())
            }
            Some(name) => return Err(format!("hello: {name:?} is not a host name")),
        };
        let auth = match (&settings.auth_username, &settings.auth_password) {
            (Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (None, None) => None,
            _ => return Err("auth_username and auth_password belong together; one is missing".to_owned()),
        };
        let server = Self {
            host: settings.host.clone(),
            port: settings.port,
            hello,
            auth,
            require_tls: settings.require_tls,
            ca_file: settings.ca_file.clone(),
            insecure_skip_verify: settings.insecure_skip_verify,
            egress: egress.clone(),
        };
        if server.ca_file.is_some() {
            server.tls()?;
        }
        Ok(server)
    }

    /// `host:port`, for messages.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Sends a whole mail. Dropping the future at any point closes the connection.
    pub(super) async fn send(&self, from: &Address, to: Vec<Address>, mail: &[u8]) -> Result<Report, Failure> {
        let mut connection = self.connect().await?;
        self.authenticate(&mut connection).await?;
        let sender = Mail::new(Some(from.clone()), Vec::new());
        connection
            .command(sender)
            .await
            .map_err(|error| judge("the sender", &error))?;
        let report = recipients(&mut connection, to).await?;
        connection.command(Data).await.map_err(|error| judge("DATA", &error))?;
        connection
            .message(mail)
            .await
            .map_err(|error| judge("the mail", &error))?;
        // The mail is taken; what happens to the farewell changes nothing.
        let _ = connection.quit().await;
        Ok(report)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failure> {
        let implicit = self.port == IMPLICIT_TLS_PORT;
        let tls = if implicit {
            Some(self.tls().map_err(tls_failure)?)
        } else {
            None
        };
        // They are tried in turn. TLS asks for the name all the same.
        let addresses = self.egress.resolve(&self.host, self.port, Origin::Configured).await;
        let addresses = addresses.map_err(|error| no_address(&error))?;
        let mut connection = AsyncSmtpConnection::connect_tokio1(&addresses[..], None, &self.hello, tls, None)
            .await
            .map_err(|error| judge("the connection", &error).into_transient())?;
        if !implicit && (self.require_tls || connection.can_starttls()) {
            if !connection.can_starttls() {
                return Err(tls_failure(
                    "it does not offer STARTTLS; set require_tls: false only if you trust the network".to_owned(),
                ));
            }
            let tls = self.tls().map_err(tls_failure)?;
            let upgraded = connection.starttls(tls, &self.hello).await;
            upgraded.map_err(|error| judge("STARTTLS", &error).into_transient())?;
        }
        Ok(connection)
    }

    /// Logs in, over TLS only. A refused password is retried: it is mended in the config while the mail waits.
    async fn authenticate(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Failure> {
        let Some((user, password)) = &self.auth else {
            return Ok(());
        };
        if !connection.is_encrypted() {
            return Err(Failure::Transient {
                reason: "smtp_auth".to_owned(),
                detail: "the connection is not encrypted, so the password is not sent; the server must offer STARTTLS \
                         or be reached on port 465"
                    .to_owned(),
            });
        }
        let password = credential::reveal(password)
            .await
            .map_err(|detail| Failure::Transient {
                reason: "secret".to_owned(),
                detail,
            })?;
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        let answer = connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await;
        // A server's words at this step may hold what it was sent, so only the code is shown.
        answer.map(drop).map_err(|error| Failure::Transient {
            reason: "smtp_auth".to_owned(),
            detail: match error.status() {
                Some(code) => {
                    format!("it refused the login of {user:?} with {code}; mend auth_username or auth_password")
                }
                None => "the login failed: it offers neither PLAIN nor LOGIN, or the connection broke".to_owned(),
            },
        })
    }

    fn tls(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.ca_file {
            let at = path.display();
            let pem = std::fs::read(path).map_err(|error| format!("ca_file {at}: {error}"))?;
            let roots = Certificate::from_pem(&pem).map_err(|_| format!("ca_file {at}: not a PEM certificate"))?;
            builder = builder
                .certificate_store(client::CertificateStore::None)
                .add_root_certificate(roots);
        }
        if self.insecure_skip_verify {
            builder = builder
                .dangerous_accept_invalid_certs(true)
                .dangerous_accept_invalid_hostnames(true);
        }
        builder
            .build_rustls()
            .map_err(|error| format!("TLS cannot be set up: {}", explain(&error)))
    }
}

/// Names the recipients. One that is refused keeps nobody else from the mail; when all are, the gentlest refusal counts.
async fn recipients(connection: &mut AsyncSmtpConnection, to: Vec<Address>) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut failure = None;
    for address in to {
        let name = address.to_string();
        let Err(error) = connection.command(Rcpt::new(address, Vec::new())).await else {
            report.accepted.push(name);
            continue;
        };
        if error.status().is_none() {
            return Err(judge("a recipient", &error));
        }
        let judged = judge(&format!("recipient {name}"), &error);
        match &judged {
            Failure::Permanent { detail, .. } => report.refused.push(detail.clone()),
            Failure::Transient { detail, .. } | Failure::Unsendable(detail) => report.postponed = Some(detail.clone()),
        }
        if !matches!((&failure, &judged), (Some(Failure::Transient { .. }), _)) {
            failure = Some(judged);
        }
    }
    match failure {
        Some(failure) if report.accepted.is_empty() => Err(failure),
        _ => Ok(report),
    }
}

/// 5xx is for good; 4xx, and whatever breaks below SMTP, is not.
fn judge(step: &str, error: &Error) -> Failure {
    let why = explain(error);
    let Some(code) = error.status() else {
        let (reason, mend) = if why.contains("certificate") {
            ("tls", "; if its CA is your own, name it in tls_config.ca_file")
        } else {
            ("network", "")
        };
        return Failure::Transient {
            reason: reason.to_owned(),
            detail: format!("{step}: {why}{mend}"),
        };
    };
    let reason = format!("smtp_{code}");
    let detail = format!("{step} was refused with {code}: {why}");
    if error.is_permanent() {
        Failure::Permanent { reason, detail }
    } else {
        Failure::Transient { reason, detail }
    }
}

impl Failure {
    /// A server that turns everybody away (554 at the greeting) has not seen the mail, so it has not refused it.
    fn into_transient(self) -> Self {
        match self {
            Self::Permanent { reason, detail } => Self::Transient { reason, detail },
            other => other,
        }
    }
}

fn tls_failure(detail: String) -> Failure {
    Failure::Transient {
        reason: "tls".to_owned(),
        detail,
    }
}

fn no_address(error: &io::Error) -> Failure {
    let (reason, detail) = match Refused::within(error) {
        Some(refused) => ("egress", refused.to_string()),
        None => ("network", format!("the host's name does not resolve: {error}")),
    };
    Failure::Transient {
        reason: reason.to_owned(),
        detail,
    }
}

/// The innermost cause, or what the server said, in one printable line of bounded length.
fn explain(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = match cause.to_string() {
        text if text == "incomplete response" => "the server hung up".to_owned(),
        text => text,
    };
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_REPLY).collect::<String>().trim().to_owned()
}
