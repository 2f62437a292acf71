//! Native histograms beside the worked examples of Prometheus's specification.

use super::*;

fn spans(written: &[(i32, u32)]) -> Vec<Span> {
    let span = |(offset, length): &(i32, u32)| Span {
        offset: *offset,
        length: *length,
    };
    written.iter().map(span).collect()
}

/// A histogram of whole numbers with this schema, whose buckets above zero are these.
fn parts(schema: i32, positive: &[(i32, u32)], deltas: &[i64]) -> Parts {
    let mut parts = Parts {
        schema,
        zero_threshold: 0.0,
        counts: PartCounts::Whole { count: 0, zero: 0 },
        sum: 1.0,
        negative: Side::default(),
        positive: Side {
            spans: spans(positive),
            deltas: deltas.to_vec(),
            counts: Vec::new(),
        },
    };
    let populations = deltas.iter().scan(0_i64, |last, delta| {
        *last += delta;
        Some(*last)
    });
    parts.counts = PartCounts::Whole {
        count: populations.sum::<i64>().try_into().unwrap_or(0),
        zero: 0,
    };
    parts
}

#[test]
fn the_specification_s_three_ways_to_write_the_same_buckets_are_the_same() {
    // -2→3, -1→5, 0→0, 1→0, 2→1, 3→0, 4→3, 5→2
    type Written<'a> = (&'a [(i32, u32)], &'a [i64]);
    let written: [Written<'_>; 3] = [
        (&[(-2, 2), (2, 1), (1, 2)], &[3, 2, -4, 2, -1]),
        (&[(-2, 2), (2, 4)], &[3, 2, -4, -1, 3, -1]),
        (&[(-2, 8)], &[3, 2, -5, 0, 1, -1, 3, -1]),
    ];
    for (spans, deltas) in written {
        let histogram = NativeHistogram::new(&parts(0, spans, deltas)).unwrap();
        for (threshold, at_or_below) in [
            (0.125, 0.0),
            (0.25, 3.0),
            (0.5, 8.0),
            (1.0, 8.0),
            (4.0, 9.0),
            (8.0, 9.0),
            (16.0, 12.0),
            (32.0, 14.0),
            (1024.0, 14.0),
        ] {
            assert_eq!(
                histogram.at_or_below(threshold),
                Some(at_or_below),
                "{threshold} {spans:?}"
            );
        }
        assert_eq!((histogram.at_or_below(0.3), histogram.count), (None, 14.0));
    }
}

#[test]
fn a_threshold_counts_only_where_it_is_a_bound_of_the_schema() {
    let cases: [(i32, f64, bool, &[f64]); 12] = [
        (-4, 1.0, true, &[1.0, 1.0]),
        (-4, 0.5, false, &[1.0 / 65536.0, 1.0]),
        (-4, 65536.0, true, &[65536.0, 65536.0]),
        (0, 0.25, true, &[0.25, 0.25]),
        (0, 0.3, false, &[0.25, 0.5]),
        (1, std::f64::consts::FRAC_1_SQRT_2, true, &[]),
        (1, 2.828_427_124_746, true, &[]),
        (1, 2.828, false, &[2.0, 2.828_427_124_746]),
        // The bounds of schema 3 between 0.25 and 0.5 as the specification's formula gives them.
        (3, 0.297_301_778_750_680_2, true, &[]),
        (3, 0.3, false, &[0.297_301_778_750_680_26, 0.324_209_888_662_787_8]),
        (
            8,
            0.001,
            false,
            &[0.000_997_946_434_232_535_8, 0.001_000_652_141_501_109],
        ),
        (8, f64::NAN, false, &[0.0]),
    ];
    for (schema, threshold, is_bound, nearest) in cases {
        let histogram = NativeHistogram::new(&parts(schema, &[(-200, 1)], &[7])).unwrap();
        let counted = histogram.at_or_below(threshold);
        assert_eq!(
            counted.is_some(),
            is_bound,
            "{threshold} in schema {schema}: {counted:?}"
        );
        if nearest.is_empty() {
            continue;
        }
        let found = histogram.nearest_bounds(threshold);
        assert_eq!(found.len(), nearest.len(), "{threshold} in schema {schema}: {found:?}");
        for (found, expected) in found.iter().zip(nearest) {
            assert!((found - expected).abs() <= expected * 1e-9, "{found} for {expected}");
        }
    }
}

#[test]
fn halving_the_resolution_keeps_the_counts_at_the_bounds_that_stay() {
    // Indexes 1 to 4 of schema 1 become 1 and 2 of schema 0.
    let fine = NativeHistogram::new(&parts(1, &[(1, 4)], &[1, 1, 1, 1])).unwrap();
    let coarse = NativeHistogram::new(&parts(0, &[(1, 2)], &[3, 4])).unwrap();
    for threshold in [1.0, 2.0, 4.0] {
        assert_eq!(
            fine.at_or_below(threshold),
            coarse.at_or_below(threshold),
            "{threshold}"
        );
    }
    let lost = 2.0 * std::f64::consts::SQRT_2;
    assert_eq!((fine.at_or_below(lost), coarse.at_or_below(lost)), (Some(6.0), None));
}

#[test]
fn the_zero_bucket_and_what_is_below_zero_lie_below_every_threshold() {
    let mut parts = parts(0, &[(0, 2)], &[5, 2]);
    parts.negative = Side {
        spans: spans(&[(0, 1)]),
        deltas: vec![4],
        counts: Vec::new(),
    };
    parts.zero_threshold = 0.001;
    parts.counts = PartCounts::Whole { count: 19, zero: 3 };
    let histogram = NativeHistogram::new(&parts).unwrap();
    for (threshold, at_or_below) in [
        (0.001, Some(7.0)),
        (0.25, Some(7.0)),
        (1.0, Some(12.0)),
        (2.0, Some(19.0)),
        (0.0, None),
        (0.000_5, None),
        (-1.0, None),
        (f64::INFINITY, None),
        (f64::NAN, None),
    ] {
        assert_eq!(histogram.at_or_below(threshold), at_or_below, "{threshold}");
    }
    assert_eq!(histogram.nearest_bounds(0.000_5), [0.001]);
    assert_eq!(histogram.nearest_bounds(0.75), [0.5, 1.0]);
}

#[test]
fn fractions_of_observations_are_counted_as_they_are() {
    let float = Parts {
        counts: PartCounts::Float { count: 4.0, zero: 0.5 },
        positive: Side {
            spans: spans(&[(0, 2)]),
            deltas: Vec::new(),
            counts: vec![1.25, 2.25],
        },
        ..parts(0, &[], &[])
    };
    let histogram = NativeHistogram::new(&float).unwrap();
    assert_eq!(
        (histogram.at_or_below(1.0), histogram.at_or_below(2.0)),
        (Some(1.75), Some(4.0))
    );
}

#[test]
fn observations_that_are_no_number_are_in_no_bucket() {
    let with_nan = Parts {
        counts: PartCounts::Whole { count: 9, zero: 0 },
        sum: f64::NAN,
        ..parts(0, &[(0, 1)], &[7])
    };
    let histogram = NativeHistogram::new(&with_nan).unwrap();
    assert_eq!((histogram.at_or_below(1.0), histogram.count), (Some(7.0), 9.0));
}

#[test]
fn parts_that_contradict_one_another_are_no_histogram() {
    let whole = |count, zero| PartCounts::Whole { count, zero };
    let good = parts(0, &[(0, 2)], &[1, 1]);
    let side = |spans_written: &[(i32, u32)], deltas: &[i64]| Side {
        spans: spans(spans_written),
        deltas: deltas.to_vec(),
        counts: Vec::new(),
    };
    let cases = [
        (
            "schema",
            Parts {
                schema: 9,
                ..good.clone()
            },
        ),
        (
            "schema",
            Parts {
                schema: -53,
                ..good.clone()
            },
        ),
        (
            "zero threshold",
            Parts {
                zero_threshold: -1.0,
                ..good.clone()
            },
        ),
        (
            "zero threshold",
            Parts {
                zero_threshold: f64::NAN,
                ..good.clone()
            },
        ),
        (
            "add up",
            Parts {
                counts: whole(2, 0),
                ..good.clone()
            },
        ),
        (
            "add up",
            Parts {
                counts: whole(4, 0),
                ..good.clone()
            },
        ),
        (
            "too large",
            Parts {
                counts: whole(4, u64::MAX),
                ..good.clone()
            },
        ),
        (
            "spans say",
            Parts {
                positive: side(&[(0, 3)], &[1, 1]),
                ..good.clone()
            },
        ),
        (
            "spans say",
            Parts {
                negative: side(&[(0, 1)], &[]),
                ..good.clone()
            },
        ),
        (
            "no number",
            Parts {
                positive: side(&[(0, 2)], &[1, -2]),
                ..good.clone()
            },
        ),
        (
            "too large",
            Parts {
                positive: side(&[(0, 2)], &[i64::MAX, 1]),
                ..good.clone()
            },
        ),
        (
            "begins before",
            Parts {
                positive: side(&[(0, 1), (-1, 1)], &[1, 1]),
                ..good.clone()
            },
        ),
        (
            "out of bounds",
            Parts {
                positive: side(&[(i32::MAX, 2)], &[1, 1]),
                ..good.clone()
            },
        ),
        (
            "16384",
            Parts {
                positive: side(&[(0, u32::MAX)], &[1, 1]),
                ..good.clone()
            },
        ),
        (
            "16384",
            Parts {
                positive: side(&[(0, 9000), (0, 9000)], &[1, 1]),
                ..good.clone()
            },
        ),
        (
            "no number",
            Parts {
                counts: PartCounts::Float {
                    count: f64::NAN,
                    zero: 0.0,
                },
                ..good.clone()
            },
        ),
    ];
    assert!(NativeHistogram::new(&good).is_ok());
    for (expected, parts) in cases {
        let refused = NativeHistogram::new(&parts);
        assert!(
            refused.as_ref().is_err_and(|why| why.contains(expected)),
            "{expected}: {refused:?}"
        );
    }
}

#[test]
fn some_thresholds_are_bounds_of_no_histogram() {
    for (threshold, is_bound, usual) in [
        (0.25, true, [0.25, 0.25]),
        (1.0, true, [1.0, 1.0]),
        (std::f64::consts::SQRT_2, true, [1.0, 2.0]),
        (2_f64.powf(1.0 / 256.0), true, [1.0, 2.0]),
        (2_f64.powf(1.0 / 512.0), false, [1.0, 2.0]),
        (0.2, false, [0.125, 0.25]),
        (0.3, false, [0.25, 0.5]),
        (3.0, false, [2.0, 4.0]),
    ] {
        assert_eq!(
            (is_ever_a_bound(threshold), usual_bounds(threshold)),
            (is_bound, usual),
            "{threshold}"
        );
    }
    for nothing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(!is_ever_a_bound(nothing), "{nothing}");
    }
}
