//! A job while its targets are found: what files and providers say of it.

use std::sync::Arc;

use super::client::Clients;
use super::files::TargetFiles;
use super::provider::{Provided, Said};
use super::request::Access;
use super::settings::{ScrapeJob, TargetGroup};
use super::target::{Outcome, find_target};
use crate::engine::discovered::Problem;
use crate::engine::stats::Stats;

/// So many unusable addresses of a job are named at most.
const ADDRESSES_MAX: u64 = 20;

/// A job with what belongs to it.
pub(super) struct Job {
    pub settings: Arc<ScrapeJob>,
    pub access: Access,
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

impl Job {
    /// A job of which nothing is known yet.
    pub fn new(settings: ScrapeJob, clients: &Arc<Clients>) -> Self {
        Self {
            access: Access::new(settings.http.clone(), Arc::clone(clients)),
            provided: settings.providers.iter().map(|_| Provided::default()).collect(),
            files: TargetFiles::default(),
            gathered: Gathered::default(),
            settings: Arc::new(settings),
        }
    }

    /// Takes in what files and providers say now; tells whether it is anything new.
    pub fn gather(&mut self, stats: &Stats) -> bool {
        let mut complaints = Vec::new();
        let of_files = self.files.read(&self.settings.file_discovery, &mut complaints);
        if !complaints.is_empty() {
            let failures = complaints.len() as u64;
            stats.sd_failures.add(&[&self.settings.name, "file"], failures);
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
    pub fn find(&self, problems: &mut Vec<Problem>, mut give: impl FnMut(Outcome)) {
        let (job, gathered) = (&self.settings, &self.gathered);
        let complaints = gathered.complaints.iter();
        problems.extend(complaints.map(|complaint| Problem::new(&job.name, "file", complaint)));
        problems.extend(gathered.of_providers.iter().filter_map(|said| said.problem.clone()));
        let of_providers = gathered.of_providers.iter().filter_map(|said| said.groups.as_ref());
        let of_providers = of_providers.flat_map(|groups| groups.iter());
        let mut left_out = 0_u64;
        for group in job.static_targets.iter().chain(&gathered.of_files).chain(of_providers) {
            for address in &group.targets {
                match find_target(job, address, &group.labels) {
                    Ok(outcome) => give(outcome),
                    Err(why) => {
                        left_out += 1;
                        if left_out <= ADDRESSES_MAX {
                            problems.push(Problem::new(&job.name, "address", &why));
                        }
                    }
                }
            }
        }
        if let Some(more) = left_out.checked_sub(ADDRESSES_MAX).filter(|more| *more > 0) {
            let message = format!("{more} more targets are left out");
            problems.push(Problem::new(&job.name, "address", &message));
        }
    }
}
