//! One page of 40,000 series as a service would show it: 28,000 lines of histograms, 9,000 counters, 3,000 gauges, five
//! labels each. The text is written once; afterwards only the digits change in place, so that serving costs next to
//! nothing and every value is another one at every tick.

/// What a number on the page does.
enum Kind {
    /// It rises by the sum of the first so many of its group's steps: a histogram's cumulative bucket.
    Bucket(u32),
    Counter,
    Gauge,
}

struct Number {
    at: usize,
    value: u64,
    kind: Kind,
}

const DIGITS: usize = 8;
const BOUNDS: [&str; 12] = [
    "0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.3", "0.5", "1", "2.5", "5", "+Inf",
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
const CODES: [&str; 3] = ["200", "404", "500"];

pub struct Page {
    pub text: Vec<u8>,
    numbers: Vec<Number>,
    random: u64,
}

impl Page {
    pub fn new(target: u64) -> Self {
        let mut page = Self {
            text: Vec::with_capacity(5 << 20),
            numbers: Vec::new(),
            random: target * 7919 + 17,
        };
        for family in 0..40 {
            page.histograms(family);
        }
        for family in 0..100 {
            page.counters(family);
        }
        for family in 0..50 {
            page.gauges(family);
        }
        page
    }

    pub fn series(&self) -> usize {
        self.numbers.len()
    }

    /// Every value becomes another one.
    pub fn advance(&mut self) {
        let mut step = 0;
        for number in &mut self.numbers {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let draw = self.random >> 40;
            number.value = match number.kind {
                Kind::Bucket(0) => {
                    step = 1 + draw % 16;
                    number.value + step
                }
                // The count is what its last bucket is.
                Kind::Bucket(12) => number.value + step,
                Kind::Bucket(_) => {
                    step += draw % 16;
                    number.value + step
                }
                Kind::Counter => number.value + 1 + draw % 64,
                Kind::Gauge => 10_000_000 + draw * 5 % 80_000_000,
            };
            let mut rest = number.value;
            for digit in self.text[number.at..number.at + DIGITS].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    /// 700 lines: 50 sets of labels, each with 12 buckets, a sum and a count.
    fn histograms(&mut self, family: u32) {
        let name = format!("shop_h{family:02}_request_duration_seconds");
        self.line(&format!(
            "# HELP {name} How long requests took.\n# TYPE {name} histogram\n"
        ));
        for set in 0..50_u32 {
            let labels = format!(
                "service=\"svc-{}\",route=\"/api/v1/r{}\",method=\"{}\",zone=\"eu-1\"",
                family % 7,
                set / 5,
                METHODS[set as usize % 5]
            );
            for (at, bound) in (0..).zip(BOUNDS) {
                self.number(
                    &format!("{name}_bucket{{{labels},le=\"{bound}\"}} "),
                    10_000_000 + u64::from(at) * 100_000,
                    Kind::Bucket(at),
                );
            }
            self.number(&format!("{name}_sum{{{labels}}} "), 20_000_000, Kind::Counter);
            self.number(
                &format!("{name}_count{{{labels}}} "),
                10_000_000 + 11 * 100_000,
                Kind::Bucket(12),
            );
        }
    }

    /// 90 lines: ten routes, three methods, three codes.
    fn counters(&mut self, family: u32) {
        let name = format!("shop_c{family:02}_requests_total");
        self.line(&format!(
            "# HELP {name} Requests that were answered.\n# TYPE {name} counter\n"
        ));
        for set in 0..90 {
            let series = format!(
                "{name}{{service=\"svc-{}\",route=\"/api/v1/r{}\",method=\"{}\",code=\"{}\",zone=\"eu-1\"}} ",
                family % 7,
                set / 9,
                METHODS[set / 3 % 3],
                CODES[set % 3]
            );
            self.number(&series, 10_000_000 + set as u64, Kind::Counter);
        }
    }

    fn gauges(&mut self, family: u32) {
        let name = format!("shop_g{family:02}_pool_connections");
        self.line(&format!("# HELP {name} Connections in use.\n# TYPE {name} gauge\n"));
        for set in 0..60 {
            let series = format!(
                "{name}{{service=\"svc-{}\",pool=\"p{}\",state=\"{}\",host=\"db-{}\",zone=\"eu-1\"}} ",
                family % 7,
                set / 6,
                ["idle", "busy"][set % 2],
                set % 6 / 2
            );
            self.number(&series, 50_000_000, Kind::Gauge);
        }
    }

    fn line(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, series: &str, value: u64, kind: Kind) {
        self.line(series);
        self.numbers.push(Number {
            at: self.text.len(),
            value,
            kind,
        });
        self.line(&format!("{value:0width$}\n", width = DIGITS));
    }
}
