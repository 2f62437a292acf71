//! How much is asked for at once: as much as the server likes to give.

use std::time::Duration;

/// The least that is asked for.
pub const CHUNK_MIN: Duration = Duration::from_mins(1);
/// The most that is asked for at once.
const CHUNK_MAX: Duration = Duration::from_hours(7 * 24);
/// What is asked for first.
const CHUNK_FIRST: Duration = Duration::from_hours(1);
/// About so many samples make a good answer.
const SAMPLES_WANTED: u64 = 200_000;
/// A chunk grows to at most so many times its length.
const GROWTH_MAX: u64 = 4;
/// After so many answers a server is tried with twice as much as it last could not give: it may have been busy then.
const ANSWERS_UNTIL_MORE: u32 = 16;

/// The length of the next chunk; it follows what the server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    length: Duration,
    /// The server refused more than this.
    most: Duration,
    /// How many answers have come since it did.
    answers: u32,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            length: CHUNK_FIRST,
            most: CHUNK_MAX,
            answers: 0,
        }
    }
}

impl Chunk {
    /// How much to ask for, in whole minutes.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// An answer of so many samples has come.
    pub fn answered(&mut self, samples: u64) {
        self.answers += 1;
        if self.answers == ANSWERS_UNTIL_MORE {
            (self.most, self.answers) = ((self.most * 2).min(CHUNK_MAX), 0);
        }
        let factor = (SAMPLES_WANTED / samples.max(1)).clamp(0, GROWTH_MAX);
        let wanted = if factor == 0 {
            self.length / 2
        } else {
            self.length * factor as u32
        };
        self.set(wanted.min(self.most));
    }

    /// The server could not give so much; false when there is no less to ask for.
    pub fn refused(&mut self) -> bool {
        let was_least = self.length <= CHUNK_MIN;
        self.set(self.length / 2);
        (self.most, self.answers) = (self.length, 0);
        !was_least
    }

    fn set(&mut self, length: Duration) {
        let minutes = length.as_secs() / 60;
        self.length = Duration::from_mins(minutes).clamp(CHUNK_MIN, CHUNK_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_what_the_server_gives() {
        let mut chunk = Chunk::default();
        chunk.answered(0);
        assert_eq!(chunk.length(), Duration::from_hours(4), "small answers: more at once");
        chunk.answered(100_000);
        assert_eq!(chunk.length(), Duration::from_hours(8));
        chunk.answered(900_000);
        assert_eq!(chunk.length(), Duration::from_hours(4), "large answers: less");
        assert!(chunk.refused());
        chunk.answered(1);
        assert_eq!(
            chunk.length(),
            Duration::from_hours(2),
            "what was refused is not asked for again"
        );
        while chunk.refused() {}
        assert_eq!(chunk.length(), CHUNK_MIN);
        (0..1000).for_each(|_| chunk.answered(0));
        assert_eq!(chunk.length(), CHUNK_MAX, "an outage is forgotten");
    }
}
