"""The rows of docs/compatibility.md."""

from __future__ import annotations

from typing import NamedTuple

HOLDS, PARTLY, MISSING = "holds", "partly", "missing"


class Row(NamedTuple):
    """One thing that Prometheus does."""

    what: str
    state: str
    tests: tuple[str, ...]
    remark: str = ""


def _row(what: str, state: str, tests: str, remark: str = "") -> Row:
    """A row whose tests are given as `file: name name; file: name`."""
    named = []
    for part in filter(None, (piece.strip() for piece in tests.split(";"))):
        file, _, names = part.partition(":")
        folder, _, module = file.strip().rpartition("/")
        path = f"tests/{folder}/test_{module}.py" if folder else f"tests/test_{module}.py"
        named += [f"{path}::test_{name}" for name in names.split()]
    return Row(what, state, tuple(named), remark)


API = [
    _row("envelope, content types, error kinds and their status codes", HOLDS,
         "server/contract: good_answers bad_answers; server/against_prometheus: same_answer"),
    _row("every path of the OpenAPI document", HOLDS,
         "server/contract: every_documented_path_is_there every_documented_path_is_tried; "
         "server/fuzz_api: requests_made_from_the_document any_text_for_any_parameter"),
    _row("503 with `X-Prometheus-Stopping` until ready", HOLDS,
         "server/contract: nothing_is_answered_before_the_server_is_ready"),
    _row("query paths answer 422 in agent mode", HOLDS, "server/contract: an_agent_has_no_queries"),
    _row("CORS, OPTIONS, 405 with `Allow`", HOLDS,
         "server/against_prometheus: same_status; server/app: cors "
         "paths_for_servers_and_unknown_ones_are_not_shared"),
    _row("unclean paths, slashes too many or too few: redirects as there", HOLDS,
         "server/app: paths_that_lead_elsewhere route_prefix; server/elsewhere: cleaned",
         "below `/api/v1/` to the path itself, where Prometheus loses the prefix"),
    _row("answers in gzip", HOLDS,
         "server/api_query: big_answers_come_in_chunks_and_packed_for_others",
         "and in zstd, deflate; plain to clients on the same machine"),
    _row("/query, /query_range: times, durations, limit, timeout, lookback_delta", HOLDS,
         "server/api_query: instant_vector other_kinds range limit timeout bad_requests; "
         "server/against_prometheus: same_answer"),
    _row("what a query may cost: time, samples, its turn; it ends with its client", HOLDS,
         "server/limits: a_query_ends_in_the_middle_when_its_time_is_over "
         "a_client_that_goes_takes_its_query_along "
         "queries_wait_for_their_turn_and_not_for_ever "
         "memory_of_a_query_is_limited_and_given_back",
         "and memory, with `--query.max-memory`"),
    _row("query statistics (`stats`)", HOLDS,
         "server/api_query: stats statistics_of_each_step other_values_of_stats_are_deprecated; "
         "promql/step_counts: as_prometheus_counts what_is_read",
         "samples that a subquery reads count once"),
    _row("/query_exemplars", HOLDS, "interop/real_clients: the_calls_of_grafana"),
    _row("/format_query, /parse_query", HOLDS,
         "server/api_query: format_query markup_in_a_text_is_escaped; "
         "server/against_prometheus: same_tree",
         "strings of bytes that are no text are shown as U+FFFD"),
    _row("/labels, /label/…/values, /series with match[], limit, escaped names", HOLDS,
         "server/api_labels: label_names label_values series limit time_range "
         "names_that_need_quoting"),
    _row("/search/* behind `search-api`", HOLDS,
         "server/search: batches_and_the_limit the_best_come_first typing_mistakes "
         "it_has_to_be_asked_for", "how matches are scored is promlab's own"),
    _row("/targets, /targets/metadata, /metadata, /scrape_pools", HOLDS,
         "server/app: targets metadata; server/running: state_is_valid"),
    _row("/targets/relabel_steps, /scrape_pools/config, secrets hidden", HOLDS,
         "server/contract: steps_of_relabelling_end_where_a_target_is_dropped "
         "the_configuration_of_a_pool_keeps_its_secrets"),
    _row("/rules with all filters and pages, /alerts, /alertmanagers", HOLDS,
         "rules/rules_against_prometheus: rules_and_alerts_as_prometheus_tells "
         "lists_as_prometheus_does pages_follow_each_other; server/rules: rules_are_filtered"),
    _row("/status/*, /features", HOLDS,
         "server/app: answers_are_valid cardinality; "
         "server/contract: features_are_those_that_are_documented",
         "Go's settings are empty"),
    _row("/notifications and /notifications/live", HOLDS,
         "server/notifications: events_are_pushed_until_there_are_too_many_listeners "
         "a_reload_that_fails_is_told_and_the_next_one_takes_it_back"),
    _row("/admin/tsdb/*, off by default", HOLDS,
         "server/contract: admin_paths_are_off_unless_asked_for deleting_series_asks_the_writer; "
         "server/blocks_served: blocks"),
    _row("/-/healthy, /-/ready, /-/reload, /-/quit", HOLDS,
         "server/against_prometheus: same_status; server/running: reload quit_by_request"),
    _row("/federate: text and protobuf, external labels, histograms", HOLDS,
         "server/federate: newest_samples_with_external_labels histograms_in_protobuf_are_native "
         "histograms_in_text_are_those_with_bounds; "
         "interop/real_clients: the_real_prometheus_federates"),
    _row("route prefix, external URL, old links", HOLDS,
         "server/app: route_prefix pages; "
         "cli/serve: route_prefix external_url_is_made_from_the_port"),
    _row("/user/*", HOLDS, "server/assets: files_of_the_folder nothing_else"),
    _row("/consoles/*: templates with queries, libraries, escaping by place", HOLDS,
         "server/consoles: as_prometheus_shows_them what_a_url_brings_is_text nothing_else",
         "values in regular expressions of scripts are quoted as strings"),
    _row("/debug/pprof/*", HOLDS,
         "server/pprof: every_profile_can_be_read cpu_time_goes_to_where_it_was_spent "
         "promtool_collects_everything",
         "of Python: threads and tasks for goroutines, memory by mapping; no execution traces"),
    _row("remote write receiver, 1.0 and 2.0", HOLDS,
         "server/api_write: samples_arrive_and_series_are_asked_for_once "
         "version_2_brings_everything content_types only_accepted_messages "
         "bombs_are_refused_before_they_are_unpacked",
         "good samples of a request with bad ones are kept in 1.0, too"),
    _row("OTLP receiver", HOLDS,
         "server/api_otlp: what_is_pushed_can_be_queried differences_are_added_up off_by_default; "
         "remote/cumulative: differences_add_up_since_the_first exponential_histograms",
         "sums of differences (`otlp-deltatocumulative`) begin anew when the server does"),
    _row("AWS signatures of remote write and Alertmanagers (`sigv4`)", HOLDS,
         "transport/sigv4: a_request_is_signed a_role_is_assumed what_is_missing_is_said; "
         "rules/notifier: alerts_are_signed_for_aws", "with the extra `aws`"),
    _row("tokens of Azure and Google for remote write (`azuread`, `google_iam`)", HOLDS,
         "transport/cloud_auth: azure_gives_an_application_a_token other_clouds_and_scopes "
         "azure_gives_a_machine_a_token azure_gives_a_workload_a_token "
         "the_sdk_takes_what_the_environment_has azure_gives_none google_gives_a_key_a_token",
         "`google_iam` with the extra `google`; no `az` login"),
    _row("sending by remote write", HOLDS,
         "remote/queue: new_samples_are_sent_once a_restart_goes_on_where_it_ended refusals "
         "version_2_and_stale_markers reload_keeps_adds_and_removes "
         "what_comes_late_or_out_of_order_is_sent_once exemplars_starts_and_metadata metadata; "
         "remote/sharding: a_slow_one_gets_as_many_as_the_time_that_it_takes; "
         "interop/remote_write_counts: both_count_the_same; "
         "interop/remote_interop: promlab_writes_to_prometheus exemplars_reach_prometheus",
         "metadata and start times come with the series of 2.0, whatever features are on"),
    _row("remote read, the answering side", HOLDS,
         "remote/read: samples_are_sorted_and_have_external_labels chunks_hold_the_samples; "
         "remote/histogram_chunks: a_counter_comes_back_bit_by_bit a_reset_begins_a_chunk; "
         "interop/remote_interop: prometheus_reads_from_promlab; "
         "interop/remote_read_histograms: both_read_what_the_other_has"),
    _row("remote read, the asking side: `remote_read`", HOLDS,
         "remote/read_client: both_forms_come_back_bit_by_bit what_both_have_is_joined "
         "what_is_recent_is_not_asked_for required_matchers a_failure_is_a_warning_once "
         "a_query_does_not_wait_longer_than_it_may; "
         "interop/remote_interop: promlab_reads_from_prometheus_and_from_promlab; "
         "interop/remote_read_histograms: both_read_what_the_other_has"),
]  # fmt: skip

CONFIGURATION = [
    _row("the whole format, strict, promtool's verdict on every file", HOLDS,
         "config/config_contract: good_files_load bad_files_are_refused; "
         "config/config_peers: promtool_decides_the_same"),
    _row("any file gives a configuration or an error with its place", HOLDS,
         "config/config_fuzz: any_bytes good_files_with_pieces_put_in_or_taken_out "
         "good_files_with_other_values any_relabelling bombs_are_refused_where_they_stand"),
    _row("errors say where", HOLDS, "config/config_load: refused_with_its_place",
         "file, line, column, field"),
    _row("variables in external labels", HOLDS,
         "config/config_load: external_labels_take_the_environment",
         "everywhere with `--config.expand-env`"),
    _row("reload by SIGHUP and request; the old configuration stays on error", HOLDS,
         "server/running: reload; server/rules: sighup_reaches_the_rules; "
         "server/notifications: a_reload_that_fails_is_told_and_the_next_one_takes_it_back"),
    _row("`--config.auto-reload`: digests of configuration, rules, imported files", HOLDS,
         "server/reloads: changed_files_are_taken_over_and_unchanged_jobs_miss_no_scrape"),
    _row("unchanged scrape pools and rule groups go on undisturbed", HOLDS,
         "scrape/scrape_manager: reload_leaves_unchanged_jobs_alone a_bad_job_changes_nothing; "
         "rules/rule_manager: an_equal_group_goes_on_undisturbed"),
    _row("`scrape_config_files`", HOLDS, "config/config_load: imported_files"),
    _row("exit code 2 for a configuration that is not valid", HOLDS,
         "server/running: bad_configurations_exit_with_2"),
    _row("relabelling: 11 actions", HOLDS, "config/relabelling: action against_the_twin"),
    _row("rule files", HOLDS, "config/rule_files: contract_files_as_promtool_decides"),
    _row("tracing, over gRPC and HTTP", HOLDS,
         "server/tracing: spans_of_requests_queries_and_rules the_real_ones_are_alike "
         "few_requests_are_traced_unless_their_client_is without_the_extra_it_is_refused",
         "with the extra `tracing`; a query's parts, without a span for each of its nodes; over "
         "gRPC no insecure_skip_verify"),
]  # fmt: skip

SCRAPING = [
    _row("headers, protocols, fallback", HOLDS,
         "scrape/fetch: request_headers; scrape/scrape_manager: fallback_protocol "
         "protobuf_is_asked_for_first_where_native_histograms_are"),
    _row("series about each scrape", HOLDS,
         "scrape/ingest: a_scrape_and_its_report extra_metrics_come_and_go"),
    _row("staleness of series and targets", HOLDS,
         "scrape/ingest: vanished_and_returning_series failure_ends_everything_once; "
         "scrape/scrape_manager: removed_targets_end_after_two_intervals"),
    _row("limits", HOLDS,
         "scrape/ingest: limits_refuse_the_whole_scrape; "
         "scrape/scrape_manager: target_limit_fails_all_targets; "
         "scrape/extras: known_series_are_kept_at_the_limit",
         "and `sample_limit_action: keep_known`"),
    _row("honor_labels, honor_timestamps, track_timestamps_staleness", HOLDS,
         "scrape/ingest: clashing_labels_are_renamed honored_labels_win timestamps_may_be_ignored "
         "staleness_of_lines_with_timestamps"),
    _row("moments aligned and spread", HOLDS,
         "scrape/scrape_manager: a_scrape_each_interval_at_aligned_times "
         "moments_are_the_same_after_a_restart timestamps_stick_to_the_schedule"),
    _row("OAuth 2.0: credentials of a client, or its signature (`jwt-bearer`)", HOLDS,
         "transport/oauth2: token_is_fetched_once_and_kept a_signature_instead_of_a_secret "
         "a_key_that_is_none", "signatures with the extra `clouds`"),
    _row("TLS, client certificates, proxies, redirects", HOLDS,
         "scrape/fetch: tls client_certificates proxy redirects credentials_stay_with_the_host; "
         "transport/proxies: exceptions the_environment; "
         "transport/what_is_sent: every_client_says_what_is_configured the_real_one_says_the_same",
         "HTTP/1.1 only: a server that offers HTTP/2, too, is asked over HTTP/1.1"),
    _row("native histograms, exemplars, start times", HOLDS,
         "scrape/extras: histograms_are_stored_and_end start_times_and_zeros exemplars_once_each"),
    _row("log of failed scrapes", HOLDS, "scrape/scrape_manager: failed_scrapes_are_written_down"),
]  # fmt: skip

DISCOVERY = [
    _row("every mechanism of Prometheus", HOLDS,
         "discovery/mechanisms: every_mechanism_is_run what_it_finds; "
         "discovery/dns_discovery: addresses services mail_and_name_servers; "
         "discovery/aws_databases: rds elasticache",
         "no instance principals of Oracle, no `az` login of Azure"),
    _row("what a mechanism answers last stays when it fails", HOLDS,
         "discovery/mechanisms: garbage_is_survived; "
         "discovery/file_discovery: a_broken_file_keeps_its_targets"),
    _row("the real Prometheus finds the same; vmagent, for what that build lacks", HOLDS,
         "discovery/discovery_peers: the_real_one_finds_the_same vmagent_finds_the_same; "
         "discovery/dns_peers: the_real_one_finds_the_same"),
    _row("garbage and wrong configurations together lose nothing", HOLDS,
         "server/troubled_discovery: nothing_is_lost targets_that_are_gone_end_and_come_again"),
]  # fmt: skip

RULES = [
    _row("groups at aligned moments, rules in order, missed iterations", HOLDS,
         "rules/rule_manager: groups_run_at_their_moments moments a_slow_group_misses_iterations; "
         "rules/recording_rules: a_rule_sees_what_the_one_before_wrote"),
    _row("limit, query_offset, labels, duplicates, staleness", HOLDS,
         "rules/recording_rules: the_limit_clears_the_output "
         "a_query_offset_moves_query_and_samples duplicates_are_an_error_that_ends_nothing "
         "series_that_vanish_end"),
    _row("states, `for`, `keep_firing_for`, ALERTS and ALERTS_FOR_STATE", HOLDS,
         "rules/alerting_rules: states alert_series a_raised_for_takes_a_firing_alert_back; "
         "rules/rules_against_promtool: promtool_expects_what_we_say"),
    _row("state restored after a restart", HOLDS,
         "rules/alerting_rules: restoring; "
         "server/rules: a_restart_restores_since_when_an_alert_has_been_pending"),
    _row("templates", HOLDS,
         "templating/templates_against_prometheus: expands_as_prometheus_does "
         "refuses_what_promtool_refuses; templating/templates: functions_of_the_contract"),
    _row("notifier: batches, oldest dropped, relabelling, drained at the end", HOLDS,
         "rules/notifier: what_is_sent batches_and_the_oldest_dropped "
         "what_is_queued_is_sent_before_the_end the_real_alertmanager_takes_them; "
         "interop/real_clients: alerts_reach_the_real_alertmanager"),
    _row("Alertmanagers found by any mechanism", HOLDS,
         "discovery/alertmanager_discovery: alertmanagers_from_a_server"),
    _row("independent rules of a group at the same time (`concurrent-rule-eval`)", HOLDS,
         "rules/independence: rules_that_know_nothing_of_each_other_go_together "
         "independent_rules_run_at_the_same_time"),
]  # fmt: skip

COMMAND_LINE = [
    _row("every flag is known; what can't be done is refused", HOLDS,
         "cli/serve: every_flag_of_the_real_one_is_known defaults_are_those_of_prometheus "
         "flags_that_promise_what_is_not_there_are_refused"),
    _row("flags of the other mode: exit code 3", HOLDS,
         "cli/serve: flags_of_the_other_mode_are_refused"),
    _row("agent mode", HOLDS,
         "server/agent: the_real_agent_answers_the_same "
         "nothing_is_lost_by_a_kill_before_the_receiver_was_ever_there "
         "a_kill_of_the_sender_loses_nothing; "
         "server/running: an_agent_takes_no_rules_and_answers_no_queries; "
         "server/contract: an_agent_has_no_queries; "
         "tsdb/head: what_nobody_asks_for_goes_before_its_time; "
         "cli/serve: an_agent_keeps_what_it_could_not_send_for_hours the_storage_of_an_agent",
         "files of sealed samples beside the log; what was sent goes file by file"),
    _row("SIGTERM and SIGINT stop in order", HOLDS, "server/running: stopping_is_orderly"),
    _row("promtool's commands", HOLDS,
         "cli/query: prints_what_promtool_prints; "
         "cli/promql_commands: prints_what_promtool_prints; "
         "cli/check: metrics_lint_as_promtool_does; cli/tsdb: like_promtool",
         "as `promlab check`, `query`, `promql`, `test`, `tsdb`"),
]  # fmt: skip

SECURITY = [
    _row("web configuration: users, TLS, client certificates, headers, read again", HOLDS,
         "web/guard: without_the_password_nothing_is_answered tls_and_a_renewed_certificate "
         "client_certificates headers_are_on_every_answer "
         "a_changed_file_counts_at_once_and_a_broken_one_does_not; "
         "web/server_tls: who_is_let_in what_is_agreed_on the_real_one_lets_the_same_in "
         "the_real_one_agrees_on_the_same",
         "changed TLS settings count within a second; a max_version below min_version is refused; "
         "HTTP/1.1 only, which Prometheus agrees on here, too"),
    _row("promtool's verdict on web configurations", HOLDS,
         "cli/check: web_configurations_get_promtools_verdict"),
    _row("secrets are hidden everywhere", HOLDS,
         "config/config_load: secrets_never_print; "
         "config/secrets_hidden: every_secret_field_is_marked a_configuration_prints_none "
         "errors_show_none a_forgotten_blank_shows_none; "
         "server/secrets_stay: of_a_server; alertmanager/secrets_unsaid: none_is_said; "
         "server/contract: the_configuration_of_a_pool_keeps_its_secrets"),
    _row("limits of connections, of time and of headers", HOLDS,
         "web/protocol: one_connection_too_many_waits_for_its_turn "
         "who_does_not_say_what_it_wants_is_cut_off headers_are_bounded"),
    _row("bombs are refused before they are unpacked", HOLDS,
         "server/api_write: bombs_are_refused_before_they_are_unpacked; "
         "scrape/fetch: gzip_bomb_without_a_configured_limit; "
         "remote/write: snappy_checks_the_size_first"),
    _row("clients, Alertmanagers and discovery that misbehave cost nothing that stays", HOLDS,
         "interop/soak: nothing_leaks a_reload_leaves_nothing_open; "
         "web/protocol: a_client_that_vanishes_leaves_nothing_behind"),
    _row("credentials do not follow redirects to other hosts", HOLDS,
         "transport/following: secrets_stay_with_the_host a_redirect_leads_to_http_only; "
         "scrape/fetch: credentials_stay_with_the_host; "
         "discovery/http_discovery: credentials_do_not_follow_to_another_host"),
]  # fmt: skip

METRICS = [
    _row("names, types and labels that dashboards and alerts use", HOLDS,
         "server/self_metrics: every_name_is_there types_and_labels_are_those_of_the_real_one "
         "summaries_have_quantiles", "`python_*` instead of `go_*`"),
    _row("`promtool check metrics` finds nothing", HOLDS,
         "server/self_metrics: the_real_linter_finds_nothing"),
    _row("query log, `queries.active`", HOLDS,
         "server/query_log: queries_of_people_and_of_rules_are_logged "
         "what_a_dead_process_was_at_is_told"),
]  # fmt: skip

CLIENTS = [
    _row("promtool asks this server", HOLDS, "interop/real_clients: promtool_asks"),
    _row("prometheus-api-client", HOLDS, "interop/real_clients: prometheus_api_client"),
    _row("the calls of Grafana's data source", HOLDS,
         "interop/real_clients: the_calls_of_grafana"),
    _row("vmalert evaluates its rules here", HOLDS,
         "interop/real_clients: vmalert_evaluates_rules_here"),
]  # fmt: skip

SECTIONS = {
    "HTTP API": API,
    "Configuration": CONFIGURATION,
    "Scraping": SCRAPING,
    "Service discovery": DISCOVERY,
    "Rules and alerts": RULES,
    "Command line": COMMAND_LINE,
    "Security": SECURITY,
    "Metrics and logs": METRICS,
    "Programs beside it": CLIENTS,
}
