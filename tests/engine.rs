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
}

on! { postgres:
    crash:
        a_crash_at_any_step_loses_no_message_and_repeats_at_most_one;
    unsure:
        counts_are_exact_whatever_a_failing_store_did,
        data_that_the_store_refuses_harm_no_other_target;
}
