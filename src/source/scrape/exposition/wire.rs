//! The wire format of protocol buffers: fields with a number and a value, one after another. Nothing is copied, every
//! length is checked against what is there.

use super::protobuf::ProtobufError;

/// The bytes of a message, or of a stream of them, as far as they are not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    /// Where they begin on the page.
    at: usize,
}

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireField<'a> {
    /// Its number.
    pub number: u32,
    /// Where it begins on the page.
    pub at: usize,
    pub value: WireValue<'a>,
}

/// A value as it stands there; what it means is the field's business.
#[derive(Clone, Copy, Debug)]
pub(super) enum WireValue<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32,
    Bytes(Wire<'a>),
}

const CUT: &str = "the page ends within a number or a message, so it was cut";

impl<'a> Wire<'a> {
    /// Bytes that begin here on the page.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where what is not read yet begins on the page.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn fault(&self, message: &'static str) -> ProtobufError {
        ProtobufError { at: self.at, message }
    }

    /// The rest as text.
    pub(super) fn text(&self) -> Result<&'a str, ProtobufError> {
        let not_utf8 = |error: std::str::Utf8Error| ProtobufError {
            at: self.at + error.valid_up_to(),
            message: "the text is not UTF-8",
        };
        std::str::from_utf8(self.bytes).map_err(not_utf8)
    }

    /// The next field; none at the end.
    pub(super) fn field(&mut self) -> Result<Option<WireField<'a>>, ProtobufError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let key = self.varint()?;
        let fault = |message| ProtobufError { at, message };
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| fault("a field has a number that there is not"))?;
        let value = match key & 7 {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Fixed64(self.array()?),
            2 => WireValue::Bytes(self.message()?),
            5 => {
                let _: [u8; 4] = self.array()?;
                WireValue::Fixed32
            }
            _ => return Err(fault("a field is of a type that there is not")),
        };
        Ok(Some(WireField { number, at, value }))
    }

    /// A length, then so many bytes; none where their end is still to come.
    pub(super) fn whole_message(&mut self, bytes_max: usize) -> Result<Option<Self>, ProtobufError> {
        let mut rest = *self;
        let is_begun = |byte: &u8| *byte >= 0x80;
        if rest.bytes.len() < 10 && rest.bytes.iter().all(is_begun) {
            return Ok(None);
        }
        if rest.varint()? > bytes_max as u64 {
            return Err(self.fault("the family is longer than 64 MiB"));
        }
        rest = *self;
        match rest.message() {
            Ok(message) => {
                *self = rest;
                Ok(Some(message))
            }
            Err(_) => Ok(None),
        }
    }

    /// A length, then so many bytes.
    pub(super) fn message(&mut self) -> Result<Self, ProtobufError> {
        let at = self.at;
        let length = self.varint()?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.bytes.len());
        let bytes = self.take(length.ok_or(ProtobufError { at, message: CUT })?)?;
        Ok(Self {
            bytes,
            at: self.at - bytes.len(),
        })
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = *self.bytes.get(place).ok_or_else(|| self.fault(CUT))?;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.take(place + 1)?;
                return Ok(value);
            }
        }
        Err(self.fault("a number is longer than 64 bits"))
    }

    pub(super) fn double(&mut self) -> Result<f64, ProtobufError> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let cut = self.fault(CUT);
        self.take(N)?.try_into().map_err(|_| cut)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or_else(|| self.fault(CUT))?;
        (self.bytes, self.at) = (rest, self.at + length);
        Ok(head)
    }
}

impl<'a> WireField<'a> {
    /// A whole number.
    pub(super) fn unsigned(&self) -> Result<u64, ProtobufError> {
        match self.value {
            WireValue::Varint(value) => Ok(value),
            _ => Err(self.fault("a whole number is expected")),
        }
    }

    /// A whole number whose sign is its last bit.
    pub(super) fn signed(&self) -> Result<i64, ProtobufError> {
        self.unsigned().map(zigzag)
    }

    pub(super) fn double(&self) -> Result<f64, ProtobufError> {
        match self.value {
            WireValue::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(self.fault("a number is expected")),
        }
    }

    pub(super) fn message(&self) -> Result<Wire<'a>, ProtobufError> {
        match self.value {
            WireValue::Bytes(message) => Ok(message),
            _ => Err(self.fault("a message is expected")),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, ProtobufError> {
        match self.value {
            WireValue::Bytes(message) => message.text(),
            _ => Err(self.fault("a text is expected")),
        }
    }

    pub(super) fn fault(&self, message: &'static str) -> ProtobufError {
        ProtobufError { at: self.at, message }
    }
}

/// A whole number from one whose last bit is the sign.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_64_bits_and_no_further() {
        let mut most = vec![0xff; 9];
        most.push(1);
        let mut too_long = vec![0xff; 9];
        too_long.push(2);
        let cases: [(&[u8], Option<u64>); 7] = [
            (&[0], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 1], Some(128)),
            (&[0x80, 0], Some(0)),
            (&most, Some(u64::MAX)),
            (&too_long, None),
            (&[0x80], None),
        ];
        for (bytes, value) in cases {
            assert_eq!(Wire::new(bytes, 0).varint().ok(), value, "{bytes:x?}");
        }
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }

    #[test]
    fn fields_that_are_none_are_refused_at_their_place() {
        let cases: [(&[u8], &str); 8] = [
            (&[0x00, 0x01], "byte 0: a field has a number"),
            (&[0x0b], "byte 0: a field is of a type"),
            (&[0x0c], "byte 0: a field is of a type"),
            (&[0x0a, 0x02, 0x41], "byte 1: the page ends"),
            (
                &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
                "byte 1: the page ends",
            ),
            (&[0x09, 0, 0], "byte 1: the page ends"),
            (&[0x0d, 0, 0], "byte 1: the page ends"),
            (&[0x08], "byte 1: the page ends"),
        ];
        for (bytes, expected) in cases {
            let refused = Wire::new(bytes, 0).field().unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{bytes:x?}: {refused}");
        }
    }
}
