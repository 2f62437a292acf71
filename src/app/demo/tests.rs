//! The demo's world, told by the real integrations.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::engine::message::{Attempt, Message, MessageAlert, MessageKind};
use crate::engine::ports::SendOutcome;
use crate::notify::settings::{EmailSettings, ReceiverSettings, WebhookSettings};
use crate::secret::Secret;

fn attempt(now: Timestamp) -> Attempt {
    let labels = [
        ("alertname", "DemoFastBurn"),
        ("service", "checkout"),
        ("slo", "availability-fast"),
        ("severity", "page"),
    ];
    Attempt {
        delivery_id: "delivery-1".to_owned(),
        number: 1,
        at: now,
        created_at: now,
        message: Message {
            kind: MessageKind::Trigger,
            receiver: "oncall".to_owned(),
            incident: "incident-1".to_owned(),
            sequence: 0,
            group_key: "{}:{}".to_owned(),
            group_labels: BTreeMap::new(),
            reason: "first notification".to_owned(),
            external_url: "http://127.0.0.1:8999".to_owned(),
            alerts: vec![MessageAlert {
                severity: "page".to_owned(),
                firing: true,
                labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                annotations: BTreeMap::new(),
                starts_at: now.0,
                ends_at: None,
                generator_url: "http://127.0.0.1:8999/slos/checkout/availability-fast".to_owned(),
                fingerprint: "0".repeat(16),
                summary: "The budget burns 30 times too fast.".to_owned(),
            }],
            slo: None,
        },
    }
}

fn receiver(world: &DemoWorld) -> ReceiverSettings {
    ReceiverSettings {
        name: "oncall".to_owned(),
        webhooks: vec![WebhookSettings {
            url: Secret::new(format!("http://{}/hook", world.webhook_addr)),
            secret: None,
            send_resolved: true,
            timeout: Duration::from_secs(10),
            max_alerts: 0,
        }],
        emails: vec![EmailSettings {
            to: vec!["sre@shop.example".to_owned()],
            from: "nines@shop.example".to_owned(),
            host: world.smtp_addr.ip().to_string(),
            port: world.smtp_addr.port(),
            hello: None,
            auth_username: None,
            auth_password: None,
            require_tls: false,
            ca_file: None,
            insecure_skip_verify: false,
            send_resolved: true,
            timeout: Duration::from_secs(20),
        }],
        alertmanagers: Vec::new(),
    }
}

#[tokio::test]
async fn the_sinks_show_what_the_integrations_send_and_the_shop_has_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sender, mut shown) = unbounded_channel();
    let show: Show = Arc::new(move |text| drop(sender.send(text)));
    let now = Timestamp(1_763_712_000_000);
    let world = start_showing(folder.path(), now, show).await.expect("a world");
    for integration in crate::notify::build(&receiver(&world), &crate::egress::Egress::default()).expect("integrations")
    {
        let outcome = integration.notifier.send(&attempt(now)).await;
        assert_eq!(outcome, SendOutcome::Accepted, "{}", integration.name());
        let text = shown.recv().await.expect("something to see");
        assert!(
            text.contains("FIRING") && text.contains("The budget burns 30 times too fast."),
            "{text}"
        );
        assert!(
            text.contains("Sent by nines") == (integration.kind == "email"),
            "{text}"
        );
    }
    let url = format!("http://{}/metrics", world.shop_addr);
    let page = reqwest::get(url)
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a page");
    assert!(
        page.contains("\nhttp_requests_total{code=\"200\",path=\"/\",region=\"eu\"} "),
        "{page}"
    );
    assert!(world.config_file.is_file());
}
