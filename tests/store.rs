//! The store's contract: every case runs on SQLite and on Postgres, each on a fresh store.

mod support {
    pub mod postgres;
    pub mod store;
}

mod store_cases {
    pub mod catalog;
    pub mod lease;
    pub mod ledger;
}

use support::store::Fixture;

/// Runs every case of a module on both databases, as a test of its own.
macro_rules! contract {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        mod sqlite {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::store_cases::$module::$case(crate::Fixture::sqlite().await).await;
                }
            )+ })+
        }
        mod postgres {
            $(mod $module { $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(fixture) = crate::Fixture::postgres().await {
                        crate::store_cases::$module::$case(fixture).await;
                    }
                }
            )+ })+
        }
    };
}

contract! {
    lease:
        the_holder_renews_and_nobody_else_gets_it,
        a_released_lease_is_free_at_once_under_a_higher_epoch,
        a_lost_lease_fences_every_write,
        migrating_again_and_at_once_changes_nothing;
    catalog:
        slos_keep_their_number_through_rename_removal_and_return,
        a_changed_indicator_is_loaded_anew,
        ledger_keys_are_found_again_with_hostile_labels,
        revisions_and_facts_are_kept;
    ledger:
        targets_are_found_again_with_long_and_hostile_urls,
        a_commit_moves_cursors_and_adds_to_buckets,
        a_conflict_changes_nothing,
        an_overflow_is_the_fault_of_its_data_alone,
        packing_changes_no_bucket,
        late_data_are_packed_again,
        packing_and_late_commits_at_once_lose_nothing,
        packed_credits_are_credits,
        a_tampered_row_is_found,
        pruning_keeps_the_proof_and_the_lifetime,
        a_thousand_credits;
}
