//! Writes pages in the protobuf format, field by field.

/// A message that is being written.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

/// The types of families.
pub const COUNTER: u64 = 0;
pub const GAUGE: u64 = 1;
pub const SUMMARY: u64 = 2;
pub const UNTYPED: u64 = 3;
pub const HISTOGRAM: u64 = 4;
pub const GAUGE_HISTOGRAM: u64 = 5;

impl Message {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn varint(mut self, number: u32, value: u64) -> Self {
        push_varint(&mut self.0, u64::from(number) << 3);
        push_varint(&mut self.0, value);
        self
    }

    pub fn signed(self, number: u32, value: i64) -> Self {
        self.varint(number, zigzag(value))
    }

    pub fn double(mut self, number: u32, value: f64) -> Self {
        push_varint(&mut self.0, u64::from(number) << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, number: u32, bytes: &[u8]) -> Self {
        push_varint(&mut self.0, u64::from(number) << 3 | 2);
        push_varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    pub fn text(self, number: u32, text: &str) -> Self {
        self.bytes(number, text.as_bytes())
    }

    pub fn message(self, number: u32, message: &Self) -> Self {
        self.bytes(number, &message.0)
    }

    /// Several messages in the same field.
    pub fn messages(self, number: u32, messages: impl IntoIterator<Item = Self>) -> Self {
        messages
            .into_iter()
            .fold(self, |all, message| all.message(number, &message))
    }
}

/// A page of these families.
pub fn page(families: &[Message]) -> Vec<u8> {
    let mut page = Vec::new();
    for family in families {
        push_varint(&mut page, family.0.len() as u64);
        page.extend(&family.0);
    }
    page
}

pub fn family(name: &str, kind: u64, metrics: impl IntoIterator<Item = Message>) -> Message {
    let head = Message::new().text(1, name).text(2, "Help.").varint(3, kind);
    head.messages(4, metrics)
}

/// A metric whose value stands in this field.
pub fn metric(labels: &[(&str, &str)], field: u32, value: &Message) -> Message {
    let pair = |(name, value): &(&str, &str)| Message::new().text(1, name).text(2, value);
    Message::new()
        .messages(1, labels.iter().map(pair))
        .message(field, value)
}

pub fn counter(labels: &[(&str, &str)], value: f64, created: Option<(u64, u64)>) -> Message {
    metric(labels, 3, &with_created(Message::new().double(1, value), 3, created))
}

pub fn gauge(labels: &[(&str, &str)], value: f64) -> Message {
    metric(labels, 2, &Message::new().double(1, value))
}

/// Count, sum and buckets of a histogram that is a classic one so far.
pub fn classic(count: u64, sum: f64, buckets: &[(f64, u64)]) -> Message {
    let bucket = |(bound, count): &(f64, u64)| Message::new().varint(1, *count).double(2, *bound);
    let head = Message::new().varint(1, count).double(2, sum);
    head.messages(3, buckets.iter().map(bucket))
}

/// The native buckets above zero, by index; deltas stand one by one or packed.
pub fn with_native(histogram: Message, schema: i64, populations: &[(i32, i64)], packed: bool) -> Message {
    let mut message = histogram.signed(5, schema).double(6, 2_f64.powi(-128)).varint(7, 0);
    let (mut next, mut last, mut deltas) = (0, 0, Vec::new());
    for (index, population) in populations {
        let span = Message::new().signed(1, i64::from(index - next)).varint(2, 1);
        message = message.message(12, &span);
        deltas.push(population - last);
        (next, last) = (index + 1, *population);
    }
    if packed {
        let mut bytes = Vec::new();
        for delta in &deltas {
            push_varint(&mut bytes, zigzag(*delta));
        }
        return message.bytes(13, &bytes);
    }
    deltas.iter().fold(message, |message, delta| message.signed(13, *delta))
}

pub fn with_created(value: Message, field: u32, created: Option<(u64, u64)>) -> Message {
    match created {
        Some((seconds, nanos)) => value.message(field, &Message::new().varint(1, seconds).varint(2, nanos)),
        None => value,
    }
}

pub fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
