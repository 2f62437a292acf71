//! Texts from outside as people may see them, in logs, pages and answers: without secrets, and not too long.

use std::borrow::Cow;

use super::secret_names::sounds_secret;

/// What stands for a secret wherever something is shown.
pub const HIDDEN: &str = "<secret>";

/// How many characters of a text from outside are shown.
pub const SHOWN_MAX: usize = 500;

/// URLs may stand in the parameters of URLs, but not for ever.
const DEPTH_MAX: usize = 3;

/// A URL, or any text, as people may see it: without credentials, without the values of parameters that sound like
/// secrets, and cut.
pub fn shown_url(text: &str) -> String {
    cut(&without_secrets(text)).into_owned()
}

/// An address of a target as people may see it: `user:password@host:9100` is no URL, and has credentials all the same.
pub fn shown_address(text: &str) -> String {
    cut(&address_without_secrets(text)).into_owned()
}

/// A label's value as people may see it: hidden where the label's name sounds like a secret.
pub fn shown_label(name: &str, value: &str) -> String {
    match name {
        _ if sounds_secret(name) && !value.is_empty() => HIDDEN.to_owned(),
        "__address__" => shown_address(value),
        _ => shown_url(value),
    }
}

/// The whole of an address of a target without secrets.
pub fn address_without_secrets(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) if !text.contains("://") => without_secrets(&format!("{HIDDEN}@{host}")),
        _ => without_secrets(text),
    }
}

/// The beginning of a text from outside, with how much is left out.
pub fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            let more = text[end..].chars().count();
            Cow::Owned(format!("{}… ({more} more characters)", &text[..end]))
        }
    }
}

/// The whole of a URL, or of any text, without credentials and without the values of parameters that sound like secrets.
pub fn without_secrets(text: &str) -> String {
    hide(text, DEPTH_MAX)
}

fn hide(text: &str, depth: usize) -> String {
    let text = without_credentials(text);
    let Some(begin) = text.find(['?', '#']) else {
        return text.into_owned();
    };
    let mut shown = text[..begin].to_owned();
    for pair in text[begin..].split_inclusive(['?', '&', '#', ';']) {
        let (pair, end) = match pair.char_indices().next_back() {
            Some((at, end @ ('?' | '&' | '#' | ';'))) => (&pair[..at], Some(end)),
            _ => (pair, None),
        };
        match pair.split_once('=') {
            Some((name, _)) if sounds_secret(&decoded(name)) => shown.extend([name, "=", HIDDEN]),
            Some((name, value)) => shown.extend([name, "=", &hide_value(value, depth)]),
            None => shown.push_str(pair),
        }
        shown.extend(end);
    }
    shown
}

/// A parameter's value may be a URL itself, with its marks written as `%3A`.
fn hide_value(value: &str, depth: usize) -> Cow<'_, str> {
    if depth == 0 {
        return Cow::Borrowed(HIDDEN);
    }
    let plain = decoded(value);
    let shown = hide(&plain, depth - 1);
    if shown == plain {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(shown)
    }
}

fn decoded(text: &str) -> String {
    // Behind the first sign all is the value.
    let pair = format!("={text}");
    let value = url::form_urlencoded::parse(pair.as_bytes()).next();
    value.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// `scheme://user:password@host/` without what stands before the host.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some(begin) = text.find("://").map(|at| at + 3) else {
        return Cow::Borrowed(text);
    };
    let rest = &text[begin..];
    let (authority, _) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    // A password may hold a mark that should have been escaped: what looks like a port is no number then.
    let is_cut_short = || {
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        !port.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let at = authority
        .rfind('@')
        .or_else(|| rest.rfind('@').filter(|_| is_cut_short()));
    match at {
        Some(at) => Cow::Owned(format!("{}{HIDDEN}{}", &text[..begin], &rest[at..])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_in_a_url_is_hidden() {
        for (text, shown) in [
            ("db:9100", "db:9100"),
            ("sqlite:nines.db", "sqlite:nines.db"),
            ("http://db:9100/metrics?a=1&b=2", "http://db:9100/metrics?a=1&b=2"),
            ("http://u:p@db:9100/x@y", "http://<secret>@db:9100/x@y"),
            ("http://u:hunter2/x@db:9100/", "http://<secret>@db:9100/"),
            ("http://u:hunter?2@db/", "http://<secret>@db/"),
            ("postgres://u:p@ss@h/db", "postgres://<secret>@h/db"),
            ("postgres://h/db?password=x", "postgres://h/db?password=<secret>"),
            ("http://[::1]:9100/x@y", "http://[::1]:9100/x@y"),
            ("http://[::1]/x@y", "http://[::1]/x@y"),
            ("http://db/?api_key=hunter2&x=1", "http://db/?api_key=<secret>&x=1"),
            ("http://db/?api%5Fk%65y=hunter2", "http://db/?api%5Fk%65y=<secret>"),
            ("http://db/#access_token=hunter2", "http://db/#access_token=<secret>"),
            ("http://db/?x=1;token=hunter2", "http://db/?x=1;token=<secret>"),
            ("http://db/?t=http://u:p@x/", "http://db/?t=http://<secret>@x/"),
            (
                "http://db/probe?target=http%3A%2F%2Fu%3Ahunter2%40x%2F%3Ftoken%3Dhunter2&b=%20",
                "http://db/probe?target=http://<secret>@x/?token=<secret>&b=%20",
            ),
            ("?Token=hunter2", "?Token=<secret>"),
            ("ä?é", "ä?é"),
        ] {
            assert_eq!(shown_url(text), shown);
        }
    }

    #[test]
    fn an_address_has_credentials_without_being_a_url() {
        for (text, shown) in [
            ("db:9100", "db:9100"),
            ("u:hunter2@db:9100", "<secret>@db:9100"),
            ("db:9100/metrics?token=hunter2", "db:9100/metrics?token=<secret>"),
            ("http://u:hunter2@db/x@y", "http://<secret>@db/x@y"),
        ] {
            assert_eq!(shown_address(text), shown);
        }
    }

    #[test]
    fn labels_whose_names_sound_secret_have_no_value() {
        for (name, value, shown) in [
            ("api_token", "hunter2", "<secret>"),
            ("__meta_db_password", "hunter2", "<secret>"),
            ("__param_Secret", "hunter2", "<secret>"),
            ("key", "", ""),
            ("__address__", "u:hunter2@db:9100", "<secret>@db:9100"),
            ("__param_target", "http://u:hunter2@db", "http://<secret>@db"),
            ("owner", "me@example.org", "me@example.org"),
            ("zone", "a", "a"),
        ] {
            assert_eq!(shown_label(name, value), shown, "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_say_so() {
        let (short, long) = ("ä".repeat(SHOWN_MAX), "ä".repeat(SHOWN_MAX + 7));
        assert_eq!(cut(&short), short);
        assert_eq!(cut(&long), format!("{short}… (7 more characters)"));
    }
}
