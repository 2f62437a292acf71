//! Samples under blackbox exporter's names that several probers give.

use super::course::Course;
use crate::domain::verdict::Phase;

/// `…_duration_seconds{phase}`: a sample for each word, with the sum of these phases; those not reached are 0.
pub(super) fn phase_gauges(course: &mut Course, name: &'static str, words: &[(&str, &[Phase])]) {
    for (word, phases) in words {
        let spent: f64 = phases.iter().map(|phase| course.spent(*phase).as_secs_f64()).sum();
        course.measure(name, vec![("phase", (*word).to_owned())], spent);
    }
}
