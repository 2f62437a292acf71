//! Whole families: histograms, summaries, what OpenMetrics adds, and series that stand there twice.

use super::table::{Case, open, text};

pub const CASES: &[Case] = &[
    text(
        "A histogram has buckets, a sum and a count.",
        "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1.5\nh_count 2",
    )
    .takes(&[r#"h_bucket{le="0.5"} 1"#, r#"h_bucket{le="+Inf"} 2"#, "h_sum 1.5", "h_count 2"]),
    open(
        "A histogram of OpenMetrics says since when it counts.",
        "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1.5\nh_count 2\nh_created 1520430000.123",
    )
    .takes(&[
        r#"h_bucket{le="0.5"} 1"#,
        r#"h_bucket{le="+Inf"} 2"#,
        "h_sum 1.5",
        "h_count 2",
        "h_created 1520430000.123",
    ]),
    text("A bucket's bound is kept as it is written.", "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"1e0\"} 3")
        .takes(&[r#"h_bucket{le="1"} 1"#, r#"h_bucket{le="1.0"} 2"#, r#"h_bucket{le="1e0"} 3"#]),
    text("A histogram without an infinite bucket is read.", "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_count 2")
        .takes(&[r#"h_bucket{le="0.5"} 1"#, "h_count 2"]),
    text("Buckets that fall are read; whoever counts must judge.", "# TYPE h histogram\nh_bucket{le=\"0.5\"} 3\nh_bucket{le=\"+Inf\"} 2")
        .takes(&[r#"h_bucket{le="0.5"} 3"#, r#"h_bucket{le="+Inf"} 2"#]),
    text("A bucket's bound is written anew by Prometheus 3.", "# TYPE h histogram\nh_bucket{le=\"1\"} 3")
        .takes(&[r#"h_bucket{le="1.0"} 3"#])
        .but_2_42_takes(&[r#"h_bucket{le="1"} 3"#])
        .nines_takes("Labels are kept as the page writes them.", &[r#"h_bucket{le="1"} 3"#]),
    text("A bucket without a bound is a series.", "# TYPE h histogram\nh_bucket 1").takes(&["h_bucket 1"]),
    text(
        "A summary has quantiles, a sum and a count.",
        "# TYPE s summary\ns{quantile=\"0.5\"} 0.2\ns{quantile=\"0.99\"} NaN\ns_sum 8\ns_count 27",
    )
    .takes(&[r#"s{quantile="0.5"} 0.2"#, r#"s{quantile="0.99"} NaN"#, "s_sum 8", "s_count 27"]),
    open("A summary of OpenMetrics may lack quantiles.", "# TYPE s summary\ns_count 17\ns_sum 324.5\ns_created 1520430000")
        .takes(&["s_count 17", "s_sum 324.5", "s_created 1520430000"]),
    open("A counter has a creation time beside it.", "# TYPE a counter\na_total 17\na_created 1520430000.123")
        .takes(&["a_total 17", "a_created 1520430000.123"]),
    open("A counter's name may lack _total for the parser.", "# TYPE a counter\na 17").takes(&["a 17"]),
    text("The text format has creation times as gauges.", "# TYPE a_total counter\na_total 17\n# TYPE a_created gauge\na_created 1.520430000123e+09")
        .takes(&["a_total 17", "a_created 1520430000.123"]),
    open("An info is one with labels.", "# TYPE a info\na_info{version=\"1.2\"} 1").takes(&[r#"a_info{version="1.2"} 1"#]),
    open("A state set has a series for each state.", "# TYPE a stateset\na{a=\"up\"} 1\na{a=\"down\"} 0").takes(&[r#"a{a="up"} 1"#, r#"a{a="down"} 0"#]),
    open("A gauge histogram has its own parts.", "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 4\ng_gcount 4\ng_gsum 9")
        .takes(&[r#"g_bucket{le="+Inf"} 4"#, "g_gcount 4", "g_gsum 9"]),
    text("A gauge histogram is no type of the text format.", "# TYPE g gaugehistogram\ng_gcount 4").refuses().nines_takes(super::COMMENTS, &["g_gcount 4"]),
    text("Families may be interleaved for Prometheus.", "# TYPE a counter\na{x=\"1\"} 1\n# TYPE b counter\nb 2\na{x=\"2\"} 3")
        .takes(&[r#"a{x="1"} 1"#, "b 2", r#"a{x="2"} 3"#]),
    open("Families may be interleaved for the parser, though OpenMetrics forbids it.", "# TYPE a gauge\na{x=\"1\"} 1\n# TYPE b gauge\nb 2\na{x=\"2\"} 3")
        .takes(&[r#"a{x="1"} 1"#, "b 2", r#"a{x="2"} 3"#]),
    text("Of a series that stands there twice, the first counts.", "a 1\na 2").takes(&["a 1"]),
    open("Of a series that stands there twice, the first counts in OpenMetrics.", "a 1\na 2").takes(&["a 1"]),
    text("A series that is repeated is one.", "a 1\na 1").takes(&["a 1"]),
    text("A series written in two ways is one.", "a{b=\"c\",d=\"e\"} 1\na{d=\"e\",b=\"c\"} 2").takes(&[r#"a{b="c",d="e"} 1"#]),
    text("An empty label makes no other series.", "a{b=\"\"} 1\na 2").takes(&["a 1"]),
    text("A series may stand there again later.", "a 1\nb 2\na 3").takes(&["a 1", "b 2"]),
    open("Points of one series have times in OpenMetrics; nines wants the page's first.", "a 1 1\na 2 2").takes(&["a 1"]),
    text("A sample needs no family.", "a 1").takes(&["a 1"]),
    text("A name that only looks like a part of a histogram is a series.", "_bucket 1\n_total 2\n_sum 3").takes(&["_bucket 1", "_total 2", "_sum 3"]),
];
