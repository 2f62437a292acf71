//! The engine as a whole on virtual time, with a real store underneath: what it counts, decides and tells, through
//! crashes, failing stores and reloads. Every case begins with a fresh store; the crash cases run on both databases.
#![expect(clippy::type_complexity, reason = "a table of cases is read by its rows")]

mod support {
    pub mod postgres;
}

mod engine_cases {
    pub mod alerts;
    pub mod arithmetic;
    pub mod collect;
    pub mod crash;
    pub mod faulty;
    pub mod fleets;
    pub mod halves;
    pub mod history;
    pub mod notices;
    pub mod pending;
    pub mod probes;
    pub mod pushes;
    pub mod receiver;
    pub mod relabelled;
    mod schedule;
    pub mod server;
    pub mod servers;
    pub mod shown;
    pub mod steps;
    pub mod unsure;
    pub mod up;
    pub mod words;
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
    probes:
        each_verdict_is_one_event_and_what_nobody_knows_is_none,
        counts_are_exact_whatever_a_failing_store_did,
        targets_make_groups_and_are_shown_with_their_verdicts,
        a_job_without_targets_is_told;
    collect:
        the_hundred_and_first_group_is_other_for_ever,
        a_group_that_appears_while_keys_are_made_waits_for_its_key,
        a_removed_slo_that_returns_takes_a_baseline,
        a_changed_indicator_takes_a_baseline_and_keeps_its_history,
        another_process_is_the_new_baseline_after_five_minutes,
        a_cursor_survives_a_restart_and_its_gap_is_spread,
        two_slos_count_one_series_each_by_itself,
        a_target_listed_twice_is_one,
        a_delisted_target_loses_nothing_that_was_seen,
        a_reload_loses_nothing_that_waits;
    fleets:
        a_page_that_was_asked_for_less_counts_nothing_and_is_seen_again,
        a_visit_goes_on_counting_through_a_reload_that_wants_the_same,
        an_slo_that_never_matched_a_target_is_known_to_it_without_a_row,
        a_target_that_is_relabelled_counts_on_where_it_matched_and_not_what_it_was_before,
        a_page_that_is_older_than_one_that_counted_is_missing,
        node_exporter_restarts_and_its_counters_go_on,
        two_processes_that_take_turns_behind_one_address_count_as_the_one_that_was_first,
        a_histogram_whose_threshold_bucket_comes_and_goes_counts_while_it_is_there,
        labels_of_the_page_that_collide_with_the_targets_tell_its_series_apart,
        a_value_that_cannot_count_at_first_is_a_baseline_when_it_can,
        a_million_series_that_live_a_day_or_less_leave_a_small_cursor;
    halves:
        half_a_histogram_counts_nothing_and_hides_no_reset,
        two_processes_that_began_together_behind_one_address_are_told;
    relabelled:
        other_rules_take_a_baseline_and_what_looks_alike_is_counted_apart;
    up:
        up_is_taken_on_failed_visits_and_nothing_else_is_touched,
        a_target_that_never_answers_is_down_in_its_up,
        the_seconds_of_a_target_that_left_end_two_intervals_after_its_last_sample;
    alerts:
        it_fires_only_strictly_above_in_both_windows,
        without_data_it_holds_and_is_stale,
        nothing_changes_after_a_start_until_there_was_time_to_look,
        no_data_is_told_and_says_which,
        no_data_can_be_turned_off_and_no_traffic_is_data,
        a_removed_slo_resolves_with_its_reason,
        changed_labels_end_it_under_the_old_and_begin_it_under_the_new,
        a_target_that_never_answers_is_waited_for_two_minutes,
        it_is_kept_firing_as_long_as_asked,
        a_restart_and_a_reload_do_not_shorten_that,
        few_events_and_few_failures_call_nobody,
        a_jump_of_the_clock_resolves_nothing,
        a_page_and_its_ticket;
    pending:
        it_is_pending_until_its_time_is_over_and_nobody_hears_of_it,
        an_interruption_begins_the_time_anew,
        the_first_condition_whose_time_is_over_calls,
        a_crash_and_a_takeover_neither_lose_nor_lengthen_what_was_seen,
        a_reload_does_not_stop_the_clock,
        a_store_that_fails_stops_it,
        other_labels_do_not_make_it_wait_again;
    words:
        a_page_by_another_word_keeps_its_ticket_quiet,
        another_word_ends_it_under_the_old_and_begins_it_under_the_new,
        a_paused_slo_resolves_is_shown_and_takes_a_baseline,
        one_window_makes_one_sentence;
    notices:
        a_silence_keeps_quiet_and_its_end_is_heard,
        an_unchanged_alert_is_told_again_after_the_repeat_interval,
        an_alertmanager_is_told_every_minute,
        a_group_waits_for_company,
        who_does_not_want_resolves_hears_none,
        a_page_that_comes_back_is_heard_by_who_wants_no_resolves;
    arithmetic:
        an_incident_fires_within_the_time_that_the_formula_says,
        just_below_the_slowest_page_nobody_is_woken;
    history:
        memory_follows_the_store_through_a_day_of_ticks_gaps_packing_and_restarts;
    servers:
        the_present_is_read_first_and_the_whole_is_exact,
        a_gap_across_the_place_where_both_strands_meet_is_filled_once,
        killed_at_any_step_it_comes_to_the_same,
        a_store_that_fails_changes_nothing,
        a_server_that_gives_no_answer_moves_no_watermark,
        what_is_too_much_is_asked_for_in_smaller_chunks,
        the_hundred_and_first_group_of_a_server_is_other,
        a_changed_indicator_begins_anew_and_is_filled_from_history,
        computed_values_of_the_last_ten_minutes_are_read_again,
        what_a_server_has_forgotten_stays_counted,
        an_answer_that_is_empty_for_a_while_takes_nothing_back,
        one_strange_page_does_not_change_how_an_slo_is_read;
    pushes:
        what_is_pushed_is_shown_by_group_and_beyond_a_hundred_as_other,
        a_push_counts_once_whatever_a_failing_store_did,
        nobody_is_told_what_nobody_knows,
        a_standby_counts_nothing_and_says_so,
        data_that_the_store_refuses_harm_no_other_push,
        what_cannot_count_is_said_of_each_event,
        runs_of_a_job_are_events_and_so_is_one_that_does_not_come,
        a_deadline_that_nobody_could_hear_is_unknown,
        a_push_that_was_there_first_is_no_missing_data;
    steps:
        what_is_refused_at_first_leaves_no_trace,
        a_step_is_learned_as_soon_as_there_are_values,
        a_step_that_was_learned_from_nonsense_does_not_stay;
    shown:
        without_data_numbers_are_null_and_never_a_hundred_percent,
        with_data_they_are_numbers,
        groups_have_a_budget_each_and_their_sum,
        what_nothing_has_ever_fed_says_so_when_everybody_was_asked;
}

on! { postgres:
    pushes:
        a_push_counts_once_whatever_a_failing_store_did,
        nobody_is_told_what_nobody_knows;
    servers:
        the_present_is_read_first_and_the_whole_is_exact,
        killed_at_any_step_it_comes_to_the_same,
        a_store_that_fails_changes_nothing;
    pending:
        a_crash_and_a_takeover_neither_lose_nor_lengthen_what_was_seen;
    crash:
        a_crash_at_any_step_loses_no_message_and_repeats_at_most_one;
    unsure:
        counts_are_exact_whatever_a_failing_store_did,
        data_that_the_store_refuses_harm_no_other_target;
}
