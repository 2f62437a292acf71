//! A job while its targets are found: what files and providers say of it, whatever becomes of its targets.

use super::files::TargetFiles;
use super::provider::{Provided, Said};
use super::settings::{FileDiscovery, Provider, TargetGroup};
use crate::domain::labels::Labels;
use crate::engine::discovered::Problem;
use crate::engine::stats::Stats;

/// So many unusable addresses of a job are named at most.
const ADDRESSES_MAX: u64 = 20;

/// What has targets: a scrape job, a probe.
pub trait Kind: Send + Sync + 'static {
    /// A target that is not listed yet.
    type Found: Found;
    /// A target as the engine takes it.
    type Listed: Listed;

    /// Where its targets are.
    fn places(&self) -> Places<'_>;

    /// What becomes of an address with the labels of its group; or why nothing does.
    fn find(&self, address: &str, group: &Labels) -> Result<Outcome<Self::Found>, String>;

    /// A number that changes when the target does, or anything about how it is asked.
    fn hash(&self, found: &Self::Found) -> u64;

    /// The target as it is to be asked.
    fn list(&self, found: Self::Found, config_hash: u64) -> Self::Listed;

    /// The target of a job that has too many: it is shown, and says why it is not asked.
    fn refuse(&self, found: Self::Found, config_hash: u64, why: &str) -> Self::Listed;
}

/// Where the targets of a job are.
pub struct Places<'a> {
    /// The job's name.
    pub name: &'a str,
    /// `static_configs`
    pub static_targets: &'a [TargetGroup],
    /// `file_sd_configs`
    pub files: &'a [FileDiscovery],
    /// The other `*_sd_configs`.
    pub providers: &'a [Provider],
    /// `target_limit`
    pub target_limit: u64,
    /// `keep_dropped_targets`
    pub keep_dropped: usize,
}

/// A target that was found.
pub trait Found: Send {
    /// Its identity.
    fn key(&self) -> String;
    /// Its labels before any rule; they are gone then.
    fn take_discovered(&mut self) -> Labels;
}

/// A target that is listed.
pub trait Listed: Clone + Send + Sync + 'static {
    /// Its identity.
    fn key(&self) -> String;
    /// Its job.
    fn job(&self) -> &str;
    /// What its `Kind` said of it.
    fn config_hash(&self) -> u64;
}

/// What becomes of an address.
pub enum Outcome<F> {
    /// A target.
    Found(Box<F>),
    /// Nothing: a rule drops it. These were its labels.
    Dropped(Labels),
}

/// A job with what belongs to it.
pub(super) struct Job<K> {
    pub kind: K,
    /// What its providers say, in their order.
    pub provided: Vec<Provided>,
    files: TargetFiles,
    gathered: Gathered,
}

/// What files and providers said at the last look.
#[derive(Default, PartialEq)]
struct Gathered {
    of_files: Vec<TargetGroup>,
    of_providers: Vec<Said>,
    /// What is wrong with files.
    complaints: Vec<String>,
}

impl<K: Kind> Job<K> {
    /// A job of which nothing is known yet.
    pub fn new(kind: K) -> Self {
        Self {
            provided: kind.places().providers.iter().map(|_| Provided::default()).collect(),
            files: TargetFiles::default(),
            gathered: Gathered::default(),
            kind,
        }
    }

    /// Takes in what files and providers say now; tells whether it is anything new.
    pub fn gather(&mut self, stats: &Stats) -> bool {
        let mut complaints = Vec::new();
        let of_files = self.files.read(self.kind.places().files, &mut complaints);
        if !complaints.is_empty() {
            let failures = complaints.len() as u64;
            stats.sd_failures.add(&[self.kind.places().name, "file"], failures);
        }
        let gathered = Gathered {
            of_files,
            of_providers: self.provided.iter().map(Provided::said).collect(),
            complaints,
        };
        let is_new = gathered != self.gathered;
        self.gathered = gathered;
        is_new
    }

    /// A provider has not answered yet.
    pub fn waits(&self) -> bool {
        self.gathered.of_providers.iter().any(|said| said.groups.is_none())
    }

    /// Gives out what becomes of every address of the job; adds what is wrong with files, providers and addresses.
    pub fn find(&self, problems: &mut Vec<Problem>, mut give: impl FnMut(Outcome<K::Found>)) {
        let (places, gathered) = (self.kind.places(), &self.gathered);
        let complaints = gathered.complaints.iter();
        problems.extend(complaints.map(|complaint| Problem::new(places.name, "file", complaint)));
        problems.extend(gathered.of_providers.iter().filter_map(|said| said.problem.clone()));
        let of_providers = gathered.of_providers.iter().filter_map(|said| said.groups.as_ref());
        let of_providers = of_providers.flat_map(|groups| groups.iter());
        let mut left_out = 0_u64;
        for group in places
            .static_targets
            .iter()
            .chain(&gathered.of_files)
            .chain(of_providers)
        {
            for address in &group.targets {
                match self.kind.find(address, &group.labels) {
                    Ok(outcome) => give(outcome),
                    Err(why) => {
                        left_out += 1;
                        if left_out <= ADDRESSES_MAX {
                            problems.push(Problem::new(places.name, "address", &why));
                        }
                    }
                }
            }
        }
        if let Some(more) = left_out.checked_sub(ADDRESSES_MAX).filter(|more| *more > 0) {
            let message = format!("{more} more targets are left out");
            problems.push(Problem::new(places.name, "address", &message));
        }
    }
}
