//! The store's contract: every case runs on SQLite and on Postgres, each on a fresh store.

mod support {
    pub mod postgres;
    pub mod store;
}

mod store_cases {
    pub mod alerts;
    pub mod catalog;
    pub mod deliveries;
    pub mod lease;
    pub mod ledger;
    pub mod pushes;
    pub mod read_history;
    pub mod reads;
    pub mod simulation;
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
    alerts:
        an_evaluation_is_kept_as_a_whole,
        transitions_are_consumed_once_and_in_order,
        one_incident_is_open_for_each_group_key,
        silences_come_from_anybody,
        what_is_old_is_pruned_and_what_is_owed_stays;
    deliveries:
        each_stream_goes_in_order_one_at_a_time,
        retries_wait_and_claims_run_out,
        an_interrupted_attempt_does_not_count,
        a_dead_trigger_takes_its_followers_with_it,
        a_dead_letter_can_be_sent_again,
        notifications_show_the_newest_first;
    lease:
        the_holder_renews_and_nobody_else_gets_it,
        a_released_lease_is_free_at_once_under_a_higher_epoch,
        a_lost_lease_fences_every_write,
        migrating_at_once_makes_the_tables_once;
    catalog:
        slos_keep_their_number_through_rename_removal_and_return,
        a_changed_indicator_is_loaded_anew,
        a_changed_indicator_begins_a_new_generation_where_it_is_asked_for,
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
        a_day_that_cannot_be_packed_harms_no_other,
        pruning_keeps_the_proof_and_the_lifetime,
        a_broken_connection_is_told_and_mended,
        a_thousand_credits;
    pushes:
        a_key_counts_once_through_restarts,
        a_conflict_refuses_its_request_alone,
        facts_and_credits_need_no_key_and_leave_a_witness,
        a_sum_beyond_64_bits_counts_nothing,
        keys_are_kept_for_a_week,
        any_interleaving_counts_each_key_once,
        late_events_reach_hours_that_are_packed;
    reads:
        a_read_sets_its_minutes_and_doing_it_again_changes_nothing,
        a_read_sets_what_visits_counted_wherever_it_is,
        a_read_that_cannot_be_is_refused_as_a_whole,
        hours_without_detail_are_set_as_wholes,
        a_clock_that_goes_back_finds_its_minutes_packed,
        reads_visits_and_packing_at_once_lose_nothing,
        a_day_of_minutes,
        the_last_ten_minutes_of_a_hundred;
    read_history:
        any_reads_follow_a_map_of_minutes;
    simulation:
        forty_days_keep_every_event;
}
