//! Exemplars, which OpenMetrics has and nines checks and forgets.

use super::BLANKS;
use super::table::{Case, open, text};

const COUNTER: &[&str] = &["a_total 1"];
const BUCKET: &[&str] = &[r#"a_bucket{le="0.5"} 2"#];

pub const CASES: &[Case] = &[
    open("A counter may have an exemplar.", "# TYPE a counter\na_total 1 # {id=\"x\"} 0.67").takes(COUNTER),
    open("An exemplar may have a time.", "# TYPE a counter\na_total 1 # {id=\"x\"} 0.67 1520879607.789").takes(COUNTER),
    open("The sample may have a time too.", "# TYPE a counter\na_total 1 1.5 # {id=\"x\"} 0.67 1.5").takes(COUNTER),
    open("A bucket may have an exemplar.", "# TYPE a histogram\na_bucket{le=\"0.5\"} 2 # {id=\"x\"} 0.67").takes(BUCKET),
    open("An exemplar may have no labels.", "# TYPE a histogram\na_bucket{le=\"0.5\"} 2 # {} 0.67").takes(BUCKET),
    open("An exemplar may have several labels.", "# TYPE a counter\na_total 1 # {id=\"x\",span=\"y\"} 1").takes(COUNTER),
    open("A brace in an exemplar's label closes nothing.", "# TYPE a counter\na_total 1 # {id=\"x}\"} 0.67").takes(COUNTER),
    open("An exemplar's value may be any number.", "# TYPE a counter\na_total 1 # {id=\"x\"} -Inf").takes(COUNTER),
    open("A gauge may have an exemplar by now.", "# TYPE a gauge\na 1 # {id=\"x\"} 1").takes(&["a 1"]).but_2_42_refuses(),
    open("A count may have an exemplar by now.", "# TYPE a histogram\na_count 1 # {id=\"x\"} 1").takes(&["a_count 1"]).but_2_42_refuses(),
    open(
        "An exemplar with more than 128 characters is dropped, not the sample.",
        "# TYPE a counter\na_total 1 # {id=\"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\"} 1",
    )
    .takes(COUNTER),
    open("An exemplar's value is needed.", "a_total 1 # {id=\"x\"}").refuses(),
    open("An exemplar's value must be a number.", "a_total 1 # {id=\"x\"} y").refuses(),
    open("An exemplar's value may not be hexadecimal.", "a_total 1 # {id=\"x\"} 0x1p4").refuses(),
    open("An exemplar's labels are needed.", "a_total 1 # 0.5").refuses(),
    open("An exemplar's braces must be closed.", "a_total 1 # {id=\"x\" 0.5").refuses(),
    open("An exemplar's time must be one.", "a_total 1 # {id=\"x\"} 1 soon").refuses(),
    open("An exemplar's time is not NaN.", "a_total 1 # {id=\"x\"} 1 NaN").refuses(),
    open("Nothing may follow an exemplar.", "a_total 1 # {id=\"x\"} 1 1 1").refuses(),
    open("A series has one exemplar.", "a_total 1 # {id=\"x\"} 1 # {id=\"y\"} 1").refuses(),
    open("An exemplar's labels must be labels.", "a_total 1 # {id=x} 1").refuses(),
    open("A comma alone is no exemplar's label.", "a_total 1 # {,} 1").refuses(),
    open("An exemplar's labels are not compared with one another.", "a_total 1 # {id=\"x\",id=\"y\"} 1")
        .takes(COUNTER),
    open("A blank stands between hash and brace.", "a_total 1 #{id=\"x\"} 1").refuses(),
    open("Two blanks before an exemplar are one too many.", "a_total 1  # {id=\"x\"} 1").refuses().nines_takes(BLANKS, COUNTER),
    open("An exemplar without a sample is none.", "# {id=\"x\"} 1\na 1").refuses().nines_takes(super::COMMENTS, &["a 1"]),
    text("The text format has no exemplars.", "a_total 1 # {id=\"x\"} 1").refuses(),
];
