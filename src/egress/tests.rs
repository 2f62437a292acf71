use super::testing::Answers;
use super::*;

#[tokio::test]
async fn of_a_name_only_the_addresses_are_given_out_that_may_be_used() {
    type Expected = Result<&'static [&'static str], &'static str>;
    let table: [(&str, Origin, Expected); 9] = [
        ("10.0.0.1", Origin::Configured, Ok(&["10.0.0.1:80"])),
        ("10.0.0.1", Origin::Requested, Err("name.test: 10.0.0.1 is private")),
        (
            "169.254.169.254",
            Origin::Configured,
            Err("name.test: 169.254.169.254 is link-local"),
        ),
        ("8.8.8.8 169.254.169.254 ::1", Origin::Requested, Ok(&["8.8.8.8:80"])),
        (
            "fd00:ec2::254 8.8.8.8 ::1",
            Origin::Configured,
            Ok(&["8.8.8.8:80", "[::1]:80"]),
        ),
        (
            "::ffff:169.254.169.254",
            Origin::Configured,
            Err("name.test: ::ffff:169.254.169.254 is link-local"),
        ),
        (
            "64:ff9b::a9fe:a9fe",
            Origin::Configured,
            Err("name.test: 64:ff9b::a9fe:a9fe is link-local"),
        ),
        (
            "127.0.0.1 169.254.169.254",
            Origin::Requested,
            Err("name.test: 127.0.0.1 is private"),
        ),
        ("127.0.0.1", Origin::Configured, Ok(&["127.0.0.1:80"])),
    ];
    for (answer, origin, expected) in table {
        let egress = Answers::of(&[answer]).egress(EgressPolicy::default());
        let found = egress.resolve("name.test", 80, origin).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                assert_eq!(found, expected, "{answer}");
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().starts_with(expected), "{answer}: {error}");
                assert!(Refused::within(&error).is_some(), "{answer}");
            }
            (found, _) => panic!("{answer}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_is_judged_every_time_it_is_asked_for() {
    let names = Answers::of(&["8.8.8.8", "127.0.0.1", "169.254.169.254", "8.8.8.8"]);
    let egress = names.egress(EgressPolicy::default());
    let mut allowed = Vec::new();
    for _ in 0..4 {
        allowed.push(egress.resolve("rebinds.test", 80, Origin::Requested).await.is_ok());
    }
    assert_eq!(allowed, [true, false, false, true]);
}

#[tokio::test]
async fn an_address_instead_of_a_name_is_judged_and_not_asked_for() {
    let names = Answers::of(&["8.8.8.8"]);
    let egress = names.egress(EgressPolicy::default());
    for (host, expected) in [("[fe80::1]", false), ("169.254.1.1", false), ("[::1]", true)] {
        let found = egress.resolve(host, 25, Origin::Configured).await;
        assert_eq!(found.is_ok(), expected, "{host}");
    }
    assert_eq!(names.asked(), 0);
}

#[test]
fn an_address_in_a_url_is_judged_however_it_is_written() {
    let egress = Egress::default();
    for host in [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0xa9.254.0xa9fe",
        "025177524776",
        "0251.0376.0251.0376",
        "0251.254.169.254",
        "169.16689662",
        "169.254.43518",
        "%31%36%39.254.169.254",
        "１６９.２５４.１６９.２５４",
        "169。254。169。254",
        "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
        "user@169.254.169.254",
        "shop.example:80@169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fe80::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[FD00:0EC2:0:0::254]",
        "[fd20:ce::254]",
        "100.100.100.200",
        "0x64.0x64.0x64.0xc8",
        "168.63.129.16",
    ] {
        let url = Url::parse(&format!("http://{host}/latest/meta-data/")).unwrap_or_else(|why| panic!("{host}: {why}"));
        let judged = egress.judge_url(&url, Origin::Configured);
        assert!(judged.is_err(), "{host} is {:?}", url.host());
    }
    for url in ["http://metadata.internal/", "http://127.1/", "socks5://10.0.0.1:1080"] {
        let url = Url::parse(url).unwrap();
        assert_eq!(egress.judge_url(&url, Origin::Configured), Ok(()), "{url}");
    }
    let proxy = Url::parse("socks5://169.254.169.254:1080").unwrap();
    assert!(egress.judge_url(&proxy, Origin::Configured).is_err());
}

#[test]
fn a_policy_that_is_set_again_is_the_same_one() {
    let egress = Egress::default();
    let before = egress.policy();
    egress.set(EgressPolicy::default());
    assert!(Arc::ptr_eq(&before, &egress.policy()));
    let denied = EgressPolicy {
        deny: vec!["10.0.0.0/8".parse().unwrap()],
        ..EgressPolicy::default()
    };
    egress.clone().set(denied.clone());
    assert_eq!(*egress.policy(), denied);
}
