//! The engine as a whole on virtual time, with a real store underneath: what it counts, decides and tells, through
//! crashes, failing stores and reloads. Every case begins with a fresh store; the crash cases run on both databases.

mod support {
    pub mod postgres;
}

mod engine_cases {
    pub mod alerts;
    pub mod arithmetic;
    pub mod collect;
    pub mod crash;
    pub mod faulty;
    pub mod notices;
    pub mod shown;
    pub mod unsure;
    pub mod world;
}

use engine_cases::world::Database;

/// Runs every case of a module, as a test of its own.
macro_rules! on {
    ($database:ident: $($module:ident: $($case:ident),+ $(,)?;)+) => {
        mod $database {
            $(mod $module { $(
                #[tokio::test]
                async fn $case() {
                    crate::engine_cases::$module::$case(crate::Database::$database).await;
                }
            )+ })+
        }
    };
}

on! { sqlite:
    crash:
        a_crash_at_any_step_loses_no_message_and_repeats_at_most_one,
        a_trigger_that_was_not_delivered_goes_out_before_its_resolve,
        a_dead_trigger_supersedes_its_resolve,
        an_integration_that_hangs_delays_no_other;
    unsure:
        counts_are_exact_whatever_a_failing_store_did,
        a_fenced_process_stops_writing,
        data_that_the_store_refuses_harm_no_other_target;
    collect:
        the_hundred_and_first_group_is_other_for_ever,
        a_removed_slo_that_returns_takes_a_baseline,
        a_changed_indicator_takes_a_baseline_and_keeps_its_history,
        another_process_is_the_new_baseline_after_five_minutes,
        a_cursor_survives_a_restart_and_its_gap_is_spread,
        two_slos_count_one_series_each_by_itself,
        a_target_listed_twice_is_one,
        a_delisted_target_loses_nothing_that_was_seen,
        a_reload_loses_nothing_that_waits;
}

on! { postgres:
    crash:
        a_crash_at_any_step_loses_no_message_and_repeats_at_most_one;
    unsure:
        counts_are_exact_whatever_a_failing_store_did,
        data_that_the_store_refuses_harm_no_other_target;
}
