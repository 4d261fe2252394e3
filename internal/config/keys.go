package config

// key is what is said about one key, in the JSON Schema and in docs/configuration.md.
type key struct {
	path string // list items as "routes[]"
	doc  string
	low  any // of numbers, sizes and durations: the least value; nil: not bounded
	high any
}

// keys lists every key in the order of the structs; a test holds the two together.
//
//nolint:funlen // a table
func keys() []key {
	return []key{
		{path: "kafka", doc: "Which cluster, and how to speak to it."},
		{path: "kafka.brokers", doc: "Bootstrap addresses, host:port; the rest of the cluster is found from any of them. Required."},
		{path: "kafka.client_id", doc: "Names the program in the brokers' logs, metrics and quotas."},
		{path: "kafka.rack", doc: "The rack or zone that the program runs in. If set, records are fetched from a replica there where the brokers offer one (replica.selector.class). Empty: from leaders."},
		{path: "kafka.instance", doc: "Name of this process among those of its group, used with exactly_once. Keep it over restarts (a StatefulSet's pod name): a restarted process then clears its own unfinished transaction at once. Of two processes with one name the older ends with an error. Empty: the host name. --instance overrides it."},
		{path: "kafka.transaction_timeout", doc: "How long brokers wait for a silent process before they abort its transaction, with exactly_once. Readers of the output wait as long for a process that died and did not come back.", low: "1s", high: "15m"},
		{path: "kafka.create_topics", doc: "Make missing topics at the start. For trying out; else a missing topic is an error that names the command to create it."},

		{path: "input", doc: "What is read, and how it is understood."},
		{path: "input.topics", doc: "Topics to read; one group reads them all. Required."},
		{path: "input.group", doc: "Consumer group, which shares partitions among processes and keeps the offsets. Required."},
		{path: "input.format", doc: "Format of the events: json (one RFC 8259 object), form (application/x-www-form-urlencoded, a callback's body), or auto, which decides by the first bytes."},
		{path: "input.start", doc: "Where to begin where the group has no committed offset, and only there: earliest, latest, or a time in RFC 3339 such as 2026-01-31T12:00:00Z."},
		{path: "input.isolation", doc: "read_committed skips records of aborted transactions and waits for open ones; read_uncommitted takes all."},
		{path: "input.on_out_of_range", doc: "Where to go on when the committed offset is no longer in the log: earliest, latest, or stop with an error."},
		{path: "input.on_corrupt", doc: "What becomes of a record batch that cannot be read (after it has been fetched three times, if its checksum is wrong): stop with an error, or skip, which puts the batch as it came on the dead-letter topic with its offsets and goes on."},
		{path: "input.invalid_utf8", doc: "What becomes of an event whose text is not UTF-8: reject makes it malformed, pass takes it with its bytes as they are."},
		{path: "input.max_depth", doc: "Deepest nesting of JSON taken, the event itself being 1. Deeper is malformed.", low: 1, high: 10_000_000},

		{path: "output", doc: "Where enriched events go."},
		{path: "output.topic", doc: "Topic for every event that is neither malformed nor dropped, tombstones included. Required."},
		{path: "output.compression", doc: "Compression of the batches written, to all topics."},
		{path: "output.drop", doc: "Outcomes that are kept out of the output topic, and counted as filtered. Routes copy them all the same."},

		{path: "dead_letter", doc: "Where malformed events go."},
		{path: "dead_letter.topic", doc: "Topic for malformed events: key and value as they came, the reason and the origin in headers. Empty: the pipeline stops at the first malformed event."},

		{path: "delivery", doc: "Delivery guarantee. exactly_once: outputs and input offsets commit in one transaction, and a read_committed reader sees each event once. at_least_once: no event is lost, and after a crash some come out twice; lower latency, no transactions."},

		{path: "roles", doc: "What this process does: filter enriches events, delay holds the retry loop's records until they are due. Each role has a consumer group of its own. `enricher delay` is for delay alone."},

		{path: "routes", doc: "Copies of chosen events to further topics. An event may take several; none takes it away from the output topic."},
		{path: "routes[].name", doc: "Unique name, 1 to 64 of a-z 0-9 _ -; it labels metrics. Required."},
		{path: "routes[].match", doc: "Conditions, at least one; all that are given must hold. Each takes one value or a list, of which any may hold. Required."},
		{path: "routes[].match.outcome", doc: "What became of the event."},
		{path: "routes[].match.codes", doc: "Hangup-cause codes, such as 3010, and ranges, such as 3000-3099, both ends included."},
		{path: "routes[].match.fault", doc: "Whose problem the cause is, by its catalog entry."},
		{path: "routes[].match.class", doc: "Retry class of the catalog entry."},
		{path: "routes[].match.flags", doc: "Flags of the catalog entry; one of those named is enough."},
		{path: "routes[].match.retryable", doc: "Whether this call may be dialled again now, by the advice for this event."},
		{path: "routes[].match.direction", doc: "Direction of the call, by the event."},
		{path: "routes[].match.source", doc: "Party that may have ended the call, by the catalog entry."},
		{path: "routes[].topic", doc: "Topic for the copies. Required."},

		{path: "retry", doc: "The retry loop: topics in which calls wait until they may be dialled again; see docs/retry.md."},
		{path: "retry.tiers", doc: "Delay topics. A call waits in the largest that fits what is left of its delay, then in the next, and comes due when nothing is left. Empty: no loop."},
		{path: "retry.tiers[].topic", doc: "Topic of the waiting records: not compacted, and kept for at least twice the wait and a day. Required."},
		{path: "retry.tiers[].wait", doc: "How long each record stays. Required.", low: "100ms", high: "168h"},
		{path: "retry.due", doc: "Topic of the calls to dial now. Only a record on it is an order to dial. Required with tiers."},
		{path: "retry.gave_up", doc: "Topic of the calls that are not dialled again, the reason in the header hangup-gave-up: attempts_exhausted, attempt_unknown or expired. Required with tiers."},
		{path: "retry.group", doc: "Consumer group of the delay role. Empty: input.group with .delay behind it."},
		{path: "retry.assume_first_attempt", doc: "Let events that do not tell their attempt into the loop, as first attempts. Only where something else bounds the calls: a provider's callbacks do not count by themselves."},
		{path: "retry.max_age", doc: "How long after its end (the record's timestamp) a call may be dialled again. Older ones are given up, so that a replay starts no storm.", low: "1m", high: "720h"},
		{path: "retry.due_per_second", doc: "Most calls that come due in a second, of all processes together; each partition of the smallest tier has its share. 0: no limit.", low: 0, high: 1_000_000},
		{path: "retry.policies", doc: "Changes to the catalog's retry policies. Where several match, the last one wins, key by key."},
		{path: "retry.policies[].match", doc: "Conditions on the catalog entry, at least one; all that are given must hold. Required."},
		{path: "retry.policies[].match.codes", doc: "Hangup-cause codes, such as 3010, and ranges, such as 3000-3099, both ends included."},
		{path: "retry.policies[].match.fault", doc: "Whose problem the cause is."},
		{path: "retry.policies[].match.class", doc: "Retry class that the catalog gives."},
		{path: "retry.policies[].class", doc: "Retry class. Empty: as it is."},
		{path: "retry.policies[].delay", doc: "Wait after the first attempt; later ones grow from it. 0: as it is.", low: "0s", high: "720h"},
		{path: "retry.policies[].max_delay", doc: "Longest wait. 0: as it is.", low: "0s", high: "720h"},
		{path: "retry.policies[].max_attempts", doc: "Most attempts, the first call among them. 0: as it is.", low: 0, high: 100},
		{path: "retry.policies[].opt_in", doc: "Allow codes whose policy asks the operator first (auto: opt_in)."},
		{path: "retry.window", doc: "When calls may be made, by the clock of who is called."},
		{path: "retry.window.days", doc: "Days on which calls may be made."},
		{path: "retry.window.from", doc: "Time of the day from which calls may be made, such as 09:00. Empty: no window, calls are made at any time."},
		{path: "retry.window.to", doc: "Time of the day until which calls may be made. If it is before from, the window goes on after midnight."},
		{path: "retry.window.zone", doc: "Zone where neither the event nor the number tells one, such as Europe/Berlin."},
		{path: "retry.window.zone_paths", doc: "gjson paths of a time zone in the event; the first present wins."},
		{path: "retry.window.number_paths", doc: "gjson paths of the number called, for prefixes."},
		{path: "retry.window.prefixes", doc: "Zones by the beginning of the number; the longest that fits wins."},
		{path: "retry.window.prefixes[].prefix", doc: "Beginning of the number, such as +49; only its digits count. Required."},
		{path: "retry.window.prefixes[].zone", doc: "Its zone. Required."},
		{path: "retry.window.spread", doc: "Calls that have waited for an opening come due over this time after it, and not all at once.", low: "0s", high: "12h"},
		{path: "retry.cancel", doc: "How redials are cancelled."},
		{path: "retry.cancel.topic", doc: "Compacted topic. A record drops the redials of its key whose call failed before the record's timestamp; one without a value takes that back. Empty: redials cannot be cancelled."},
		{path: "retry.cancel.key", doc: "gjson paths of the key in the event; the first present wins."},

		{path: "catalog", doc: "What is laid over the built-in catalog."},
		{path: "catalog.overlays", doc: "Overlay files, laid over in order; see docs/catalog.md. Relative paths start at the configuration file's folder."},

		{path: "enrich", doc: "How events are read, and what is written into them."},
		{path: "enrich.field", doc: "Key of the object that is added to each event."},
		{path: "enrich.fields", doc: "Members of that object, those of retry as retry.class; retry alone is all of them. Empty: the default members; see docs/event.md."},
		{path: "enrich.headers", doc: "Record headers to add. [] adds none."},
		{path: "enrich.foreign_when", doc: "gjson paths; an event in which one is present belongs to another code set (SIP trunk, multi-party call) and passes untouched."},
		{path: "enrich.paths", doc: "Where the fields are: gjson paths, several candidates each. Present means that it exists and is neither null nor an empty string; the first present wins."},
		{path: "enrich.paths.code", doc: "Hangup-cause code: a whole number, or a string of one."},
		{path: "enrich.paths.name", doc: "Name of the cause, asked only where no code is present."},
		{path: "enrich.paths.direction", doc: "outbound or inbound. Without it no call is redialled."},
		{path: "enrich.paths.answer_time", doc: "Present: the call was answered."},
		{path: "enrich.paths.billed", doc: "Above zero: the call was answered."},
		{path: "enrich.paths.status", doc: "in-progress or ANSWER: the call was answered."},
		{path: "enrich.paths.call_id", doc: "Identity of the call; it seeds the jitter of delays."},
		{path: "enrich.paths.a_leg", doc: "Identity of the A leg; if it differs from the call's own, this is a B leg."},
		{path: "enrich.paths.parent_call", doc: "Present: this is a B leg."},
		{path: "enrich.paths.attempt", doc: "Number of the attempt that just ended, from 1. Without it every call is the first."},
		{path: "enrich.paths.event", doc: "Type of the event, for explain."},
		{path: "enrich.redial_answered", doc: "Let calls be redialled although they were answered."},
		{path: "enrich.redial_b_legs", doc: "Let B legs be redialled, whose parent call is over."},
		{path: "enrich.opt_in", doc: "Codes that may be redialled although their policy asks the operator first (auto: opt_in)."},

		{path: "limits", doc: "Bounds on time and memory."},
		{path: "limits.commit_interval", doc: "Time between two commits. With exactly_once it is what readers wait for an event, with at_least_once what a crash repeats.", low: "10ms", high: "1m"},
		{path: "limits.shutdown_timeout", doc: "Time for what is in flight when asked to stop.", low: "1s", high: "10m"},
		{path: "limits.session_timeout", doc: "How long the group waits for a silent member before its partitions go to others; the brokers bound it too.", low: "6s", high: "5m"},
		{path: "limits.buffer_bytes", doc: "Output that may wait to be acknowledged. When it is full, nothing more is fetched.", low: "1MiB", high: "64GiB"},
		{path: "limits.fetch_bytes", doc: "Bytes asked of each partition in one request.", low: "16KiB", high: "64MiB"},
		{path: "limits.batch_bytes", doc: "Largest batch written, before compression; the topic's max.message.bytes bounds it too.", low: "16KiB", high: "64MiB"},
		{path: "limits.linger", doc: "How long a batch that is not full waits for more.", low: "0s", high: "1s"},

		{path: "ops", doc: "Health, metrics and the status page."},
		{path: "ops.listen", doc: "host:port of /livez, /readyz and /metrics. Empty: off."},
		{path: "ops.page", doc: "host:port of the status page. On an address that is not a loopback one (127.0.0.1, [::1], localhost) it wants token or tls.client_ca_file. The same as ops.listen: both on one port. Empty: off. If the address is taken, the process works without a page."},
		{path: "ops.token", doc: "What visitors of the page have to give: as the password of any user name, or as a bearer token. 16 characters or more; a secret: ${file:PATH} or ${VAR}. Empty: nothing is asked for."},
		{path: "ops.tls", doc: "TLS for the page; the files are read again when they change."},
		{path: "ops.tls.cert_file", doc: "PEM file of the page's certificate and those between it and its authority. Empty: the page is served in the clear."},
		{path: "ops.tls.key_file", doc: "PEM file of its private key."},
		{path: "ops.tls.client_ca_file", doc: "PEM file of authorities. Only who shows a certificate of one of them sees the page. Empty: no certificates are asked for."},
		{path: "ops.pprof", doc: "Serve Go's profiles, /debug/pprof, where the page is."},

		{path: "privacy", doc: "What people are shown of events. What goes to topics is never changed by it."},
		{path: "privacy.reveal", doc: "Show phone numbers and SIP addresses on the status page, in logs, and in what `catalog report`, `test` and `replay` print. Else they are masked: of a number the first two and the last two digits stay."},

		{path: "log", doc: "What is logged, to standard error."},
		{path: "log.level", doc: "Least severe level that is logged."},
		{path: "log.format", doc: "json, console (for people), or auto: console on a terminal, else json."},
	}
}
