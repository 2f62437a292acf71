-- The whole store. Times are unix milliseconds, minutes and days count from 1970-01-01T00:00Z, events are millionths.
-- A text that may be long is unique by its SHA-256, since an index row has a largest size. Rows that are updated all
-- day have room beside them (fillfactor), so that no index is touched.

-- The one writer: whoever holds this row under its epoch may write; every write transaction share-locks it first.
create table lease (
    name text primary key,              -- always 'writer'
    holder text not null,               -- who it is, for people
    epoch bigint not null,              -- grows with every holder, so that an old one is recognised
    expires_at bigint not null          -- by the database's clock, which is the same for all who compete
);

-- Small things worth knowing after a restart, each under its own name.
create table fact (
    name text primary key,
    value text not null
);

-- An SLO by service and name; all that belongs to it hangs on the number, so that a rename is one update.
create table slo (
    id bigint generated always as identity primary key,
    service text not null,
    name text not null,
    indicator text not null,            -- the fingerprint of the present indicator
    indicator_loaded_at bigint not null,-- since when it is this one: visits before it do not count for it
    created_at bigint not null,
    removed_at bigint,                  -- when it went from the files; its ledger stays for its return
    unique (service, name)
);

-- One sequence of buckets: an SLO's own, or one of its groups'.
create table ledger_key (
    id bigint generated always as identity primary key,
    slo bigint not null references slo (id) on delete cascade,
    group_labels text not null,         -- '' for the SLO itself, else pairs as JSON, whose escapes keep NUL out
    group_hash text not null,           -- SHA-256 of group_labels
    generation bigint not null default 1, -- grows when the history begins anew
    created_at bigint not null,
    unique (slo, group_hash, generation)
);

-- The last text of every SLO file that loaded: it runs on when a newer one does not load.
create table spec_revision (
    file text primary key,
    hash text not null,
    text text not null,
    loaded_at bigint not null
);

-- A scraped endpoint: job and URL.
create table target (
    id bigint generated always as identity primary key,
    key text not null,
    key_hash text not null unique,      -- SHA-256 of key: URLs may be longer than an index row
    first_listed_at bigint not null,    -- a target listed later than its SLO counts from its own beginning
    last_listed_at bigint not null      -- to forget targets that nobody lists; exact to the hour
);

create index target_last_listed_at on target (last_listed_at);

-- What a target is remembered by. It moves in the transaction that credits what was seen.
create table cursor (
    target bigint primary key references target (id) on delete cascade,
    seq bigint not null,                -- how many commits; whoever expects another number must read again
    header bytea not null               -- opaque: the engine's
) with (fillfactor = 70);

-- The last values that an SLO saw at a target.
create table cursor_slo (
    target bigint not null references target (id) on delete cascade,
    slo bigint not null references slo (id) on delete cascade,
    state bytea not null,               -- opaque: the engine's
    primary key (target, slo)
);

create index cursor_slo_slo on cursor_slo (slo);

-- Recent minutes, added to by upsert, until their hour is packed.
create table loose (
    ledger_key bigint not null,
    minute bigint not null,
    shard bigint not null default 0,    -- room for several writers of one minute; 0 so far
    total bigint not null,
    good bigint not null,               -- signed, as matched: only a window's sum is clamped
    observed bigint not null,           -- 1 when a counted visit fell into the minute
    primary key (ledger_key, minute, shard)
) with (fillfactor = 70);

-- Double entry: all credits, in the transaction that credits, against which the buckets are proved.
create table ledger_sum (
    ledger_key bigint not null,
    shard bigint not null default 0,
    total bigint not null,
    good bigint not null,
    base_total bigint not null default 0, -- what was credited to buckets that are pruned by now
    base_good bigint not null default 0,
    primary key (ledger_key, shard)
) with (fillfactor = 70);

-- One day of one ledger key. A bucket's value is always packed + loose.
create table packed_day (
    ledger_key bigint not null,
    day bigint not null,
    total bigint not null,              -- the sums of the day, for the proof
    good bigint not null,
    hours bytea not null,               -- 24 hour totals
    minutes bytea not null,             -- the minutes; empty once their detail is pruned
    primary key (ledger_key, day)
) partition by range (day);

create table packed_day_default partition of packed_day default;
create index packed_day_day on packed_day (day);
create index packed_day_detail on packed_day (day) where length(minutes) > 0;

-- Where every alert stands.
create table alert_state (
    key_hash text primary key,          -- SHA-256 of key: group labels may be long
    key text not null,
    body text not null                  -- JSON, the engine's
);

-- Numbered changes of alerts, each taken into account by dispatch once.
create table transition (
    id bigint generated always as identity,
    at bigint not null,
    alert text not null,
    body text not null,                 -- JSON, the engine's
    consumed bigint not null default 0, -- 1 when dispatch has decided what is owed for it
    primary key (id, at)
) partition by range (at);

create table transition_default partition of transition default;
create index transition_pending on transition (id) where consumed = 0;
create index transition_at on transition (at);

-- A conversation: one open per route and group key.
create table incident (
    id text primary key,
    group_key text not null,
    group_hash text not null,
    opened_at bigint not null,
    closed_at bigint,
    next_flush_at bigint,
    body text not null                  -- JSON, the engine's
);

create unique index incident_open on incident (group_hash) where closed_at is null;
create index incident_closed_at on incident (closed_at) where closed_at is not null;

-- The outbox: one message owed to one integration.
create table delivery (
    id text primary key,
    position bigint generated always as identity, -- the order in which they became due
    stream text not null,               -- messages of one stream go out in order, one at a time
    stream_hash text not null,
    receiver text not null,
    integration text not null,
    kind text not null,                 -- trigger, update, reminder, resolve
    state text not null,                -- ready, sending, delivered, dead, superseded
    attempts bigint not null default 0,
    not_before bigint not null,         -- when a ready one may go
    claim text,                         -- proves that it is ours while it is sent
    claim_until bigint,                 -- when a claim without an end is free again
    created_at bigint not null,
    finished_at bigint,
    last_error text,
    group_key text not null,
    slo text,
    message text not null,              -- JSON: a retry says what the first try said
    unique (position)
);

create index delivery_open on delivery (stream_hash, position) where state in ('ready', 'sending');
create index delivery_owed on delivery (position) where state in ('ready', 'sending');
create index delivery_trigger on delivery (stream_hash, position) where kind = 'trigger';
create index delivery_finished_at on delivery (finished_at) where finished_at is not null;
create index delivery_dead on delivery (id) where state = 'dead';

-- Every try that came to an end.
create table delivery_attempt (
    delivery text not null,
    number bigint not null,
    started_at bigint not null,
    ended_at bigint not null,
    outcome text not null,              -- delivered, retry, dead, interrupted
    error text
) partition by range (started_at);

create table delivery_attempt_default partition of delivery_attempt default;
create index delivery_attempt_delivery on delivery_attempt (delivery, number);
create index delivery_attempt_started_at on delivery_attempt (started_at);

-- What people asked not to hear for a while.
create table silence (
    id text primary key,
    matchers text not null,             -- JSON
    starts_at bigint not null,
    ends_at bigint not null,
    created_by text not null,
    comment text not null,
    updated_at bigint not null
);

create index silence_ends_at on silence (ends_at);
